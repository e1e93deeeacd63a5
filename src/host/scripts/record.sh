check_tag() {
  is_number "$FENCE" && is_number "$SEQ" || fail bad_request "fence and seq must be numbers, found '$FENCE' and '$SEQ'"
  is_operation "$OPERATION" || fail bad_request "not an operation id: '$OPERATION'"
  # The fence is in it: an operation that is taken up again may count from one again.
  D=$S/ops/$OPERATION/$FENCE-$SEQ
}

# admit: under the lock from here on. Refuses a lower pair, records a higher one; an equal one may go on. It is also a
# word of the controller: an armed restore waits anew.
admit() {
  mkdir -p "$S/ops" "$S/files" "$S/policies" "$S/lib" || fail no_state "cannot make $S"
  chmod 700 "$S"
  take 9 "$S/lock" 5000 || fail busy "another script of ours has held $S/lock for 5 s"
  read_fence || fail bad_state "$S/fence: expected two numbers, found '$F_SEEN $S_SEEN'"
  if [ "$FENCE" -lt "$F_SEEN" ] || { [ "$FENCE" -eq "$F_SEEN" ] && [ "$SEQ" -lt "$S_SEEN" ]; }; then
    drop 9 "$S/lock"
    fail fenced "this is fence $FENCE seq $SEQ; the host has seen fence $F_SEEN seq $S_SEEN" "$F_SEEN"
  fi
  if [ "$FENCE" -gt "$F_SEEN" ] || [ "$SEQ" -gt "$S_SEEN" ]; then
    printf '%s %s\n' "$FENCE" "$SEQ" >"$S/.fence" && durable "$S/.fence" && mv -f "$S/.fence" "$S/fence" ||
      fail no_state "cannot write $S/fence"
  fi
  beat
}

# need_restore: under the lock; where anything hangs on the state of the armed restore.
need_restore() {
  read_restore && return 0
  restore_line
  fail bad_state "$Q/state: expected the state of the armed restore, found '$LINE'"
}

# reply_restore: the state, and the lock given back.
reply_restore() {
  drop 9 "$S/lock"
  restore_line
  reply "{\"restore\":\"$(text64 "$LINE")\"}"
}

# state_of RECORD: sets STATE and CODE.
state_of() {
  STATE='' CODE=''
  for _try in 1 2; do
    if [ -f "$1/status" ]; then read -r STATE CODE <"$1/status" || :; return 0; fi
    # No process has claimed it: whoever asks may send it again.
    if [ ! -f "$1/job" ]; then STATE=unknown; return 0; fi
    _p='' _b=''
    read -r _p _b <"$1/job" || :
    if [ "$_b" != "$(boot_id)" ]; then STATE=lost; return 0; fi
    if alive "$1"; then STATE=running; return 0; fi
    # It may have ended between the two looks: the status once more.
    STATE=lost
  done
}

reply_state() {
  state_of "$1"
  _log=
  case $STATE in
    running) _log=$(tail -n 1 "$1/log" 2>/dev/null | tail -c 300) ;;
    failed) _log=$(tail -n 20 "$1/log" 2>/dev/null | tail -c 2000) ;;
  esac
  reply "{\"state\":\"$STATE\",\"code\":\"$CODE\",\"log\":\"$(text64 "$_log")\"}"
}
