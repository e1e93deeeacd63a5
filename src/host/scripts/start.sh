# start: makes the record of a job and starts it, detached; the same tag twice starts it once.
# The text that a job needs goes to the kept copies at once; the record must not hold it.
keep_text() {
  case $to in '' | *[!0-9a-f]*) fail bad_request "not a SHA-256: '$to'" ;; esac
  if [ "$(sha_of "$S/files/$to")" != "$to" ]; then
    printf %s "$text" | base64 -d >"$S/files/.new" || fail no_space "cannot write $S/files"
    [ "$(sha_of "$S/files/.new")" = "$to" ] || fail bad_request "the text has SHA-256 $(sha_of "$S/files/.new"), expected $to"
    durable "$S/files/.new" && mv -f "$S/files/.new" "$S/files/$to" || fail no_state "cannot write $S/files/$to"
  fi
}

launch() {
  # A service of its own outlives whatever is done to the agent's; elsewhere a session of its own.
  if [ -z "$R" ] && [ -d /run/systemd/system ] && have systemd-run &&
    systemd-run --unit="geusemaker-$OPERATION-$FENCE-$SEQ" "$SH" "$S/lib/$PROGRAM" "$D" </dev/null >/dev/null 2>&1 9>&-; then
    return 0
  fi
  # shellcheck disable=SC2086
  setsid $SH "$S/lib/$PROGRAM" "$D" </dev/null >/dev/null 2>&1 9>&- &
}

main() {
  request='' text='' to='' kind='' back=''
  while read -r key a rest; do
    case $key in
      fence | seq | operation | offset) tag_key "$key" "$a" ;;
      text) text=$a ;;
      *)
        case $key in to | kind | back) un64 "$key" "$a" ;; esac
        request="$request$key $a${rest:+ $rest}$NL"
        ;;
    esac
  done
  check_tag
  have setsid || fail no_setsid "setsid is not on the host"
  admit
  # A late script of the way forward, after the host has judged by itself. What has begun is answered all the same.
  if [ ! -f "$D/job" ] && [ ! -f "$D/status" ]; then
    if [ "$kind" != pull ]; then need_restore; fi
    if { [ "$kind" = apply ] || { [ "$kind" = quiesce ] && [ "$back" != yes ]; }; } && judged; then
      fail "$JUDGED" "the host has judged by itself: it is $R_STATE"
    fi
    need_program
  fi
  if [ ! -d "$D" ]; then
    if [ -n "$text" ]; then keep_text; fi
    N=$S/ops/$OPERATION/.new
    rm -rf "$N"
    mkdir -p "$N" && printf '%s' "$request" >"$N/request" &&
      printf '%s %s\n' "$FENCE" "$SEQ" >"$N/tag" && : >"$N/log" && mv "$N" "$D" || fail no_state "cannot write $D"
  fi
  # Without a claim nobody has begun: a start that was cut off is finished here. Two jobs cannot both claim.
  if [ ! -f "$D/job" ] && [ ! -f "$D/status" ]; then
    launch
    NAPPED=0
    while [ ! -f "$D/job" ] && [ "$NAPPED" -lt 3000 ]; do nap; done
  fi
  drop 9 "$S/lock"
  reply_state "$D"
}
