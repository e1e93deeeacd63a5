# poll: how far a job is. Answers about old tags too; pushes the deadline of an armed restore out, and changes nothing else.
main() {
  while read -r key a; do tag_key "$key" "$a"; done
  check_tag
  far_beat
  reply_state "$D"
}
