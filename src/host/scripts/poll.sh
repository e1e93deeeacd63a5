# poll: how far a job is. Changes nothing, and answers about old tags too.
main() {
  while read -r key a; do tag_key "$key" "$a"; done
  check_tag
  reply_state "$D"
}
