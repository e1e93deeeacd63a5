# The way back of an operation that is armed: the same for the controller and for the host itself (the record of the
# latter holds a file `itself`).
BEGAN=''

# restore_begin: whoever has the hands says so in the state file, and is not begun beside.
restore_begin() {
  if [ "$KIND" != restore ] || [ "$start" != yes ]; then return 0; fi
  if [ -f "$D/itself" ]; then BEGAN=yes; return 0; fi
  take 9 "$S/lock" 5000 || { say "$S/lock is held"; finish failed busy; }
  read_restore || { say "$Q/state is damaged"; finish failed bad_state; }
  if [ "$R_OP" = "$OPERATION" ]; then
    # Where the host had judged its timer is off: if this is cut off, who would go on?
    case $R_STATE in restored | committed) systemctl enable --now "$TIMER" </dev/null 2>&1 9>&- || : ;; esac
    write_restore restoring "$R_OP" "$R_FENCE" "$R_SEQ" controller 0 "$RECORD" || { say "cannot write $Q/state"; finish failed no_space; }
    BEGAN=yes
  fi
  drop 9 "$S/lock"
}

restore_end() {
  if [ -z "$BEGAN" ]; then return 0; fi
  take 9 "$S/lock" 5000 || { say "$S/lock is held"; finish failed busy; }
  if read_restore && [ "$R_STATE $R_OP $R_C" = "restoring $OPERATION $RECORD" ]; then
    write_restore restored "$R_OP" "$R_FENCE" "$R_SEQ" "$R_A" || { say "cannot write $Q/state"; finish failed no_space; }
    quiet
  fi
  drop 9 "$S/lock"
}
