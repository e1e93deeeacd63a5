# commit: disarms; what is so now stays. Of another operation nothing is touched, and a way back that has come to its
# end stays told: it is not what is being confirmed.
main() {
  while read -r key a; do tag_key "$key" "$a"; done
  check_tag
  admit
  need_restore
  if [ "$R_OP" = "$OPERATION" ]; then
    # Half way back is neither the old nor the new: its end is waited for.
    if at_work; then fail busy "the host is going back from operation $R_OP"; fi
    case "$R_STATE $R_A" in
      restored\ * | 'committed controller') ;;
      *) write_restore committed "$R_OP" "$R_FENCE" "$R_SEQ" controller 2>/dev/null || fail no_state "cannot write $Q/state" ;;
    esac
    quiet
  fi
  reply_restore
}
