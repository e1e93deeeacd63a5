# arm: tells the host what to go back to by itself, and by when.
# A copy of its own: an arm lives on whatever becomes of the program's folder.
write_program() { cat "$S/lib/$PROGRAM"; }

write_service() {
  cat <<EOF
[Unit]
Description=geusemaker: goes back when the controller of an update is silent
After=docker.service remote-fs.target

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh $Q/restore.sh tick
StandardInput=null
StandardOutput=journal
StandardError=journal
EOF
}

# It only looks at the state file: the deadline is there, and not in the timer's own count.
write_timer() {
  _each=$((GRACE / 10))
  if [ "$_each" -lt 1 ]; then _each=1; elif [ "$_each" -gt 15 ]; then _each=15; fi
  cat <<EOF
[Unit]
Description=geusemaker: looks whether the controller of an update is silent

[Timer]
OnActiveSec=${_each}s
OnBootSec=${_each}s
OnUnitInactiveSec=${_each}s
AccuracySec=1s

[Install]
WantedBy=timers.target
EOF
}

# place FILE MODE FUNCTION: the file says what the function prints. CHANGED is set if it did not before.
place() {
  _new=${1%/*}/.${1##*/}.new
  "$3" >"$_new" && chmod "$2" "$_new" && durable "$_new" || return 1
  if [ "$(sha_of "$_new")" = "$(sha_of "$1")" ]; then rm -f "$_new"; return 0; fi
  mv -f "$_new" "$1" && CHANGED=yes
}

write_request() { printf '%s' "$request"; }
systemd() { systemctl "$@" </dev/null 2>&1 9>&-; }

# A restore that nothing would ever start is no restore: without systemd nothing is armed.
install_units() {
  have systemctl || fail no_systemd "systemctl is not on the host"
  have setsid || fail no_setsid "setsid is not on the host"
  _u=$R/etc/systemd/system CHANGED=
  { mkdir -p "$_u" && place "$_u/geusemaker-restore.service" 644 write_service && place "$_u/$TIMER" 644 write_timer; } 2>/dev/null ||
    fail no_systemd "cannot write units in $_u"
  if [ -n "$CHANGED" ]; then _e=$(systemd daemon-reload) || fail no_systemd "systemctl daemon-reload: $_e"; fi
  _e=$(systemd enable --now "$TIMER") || fail no_systemd "systemctl enable --now $TIMER: $_e"
}

main() {
  request='' GRACE='' STABLE=''
  while read -r key a rest; do
    case $key in
      fence | seq | operation | offset) tag_key "$key" "$a" ;;
      grace) un64 GRACE "$a" ;;
      stable) un64 STABLE "$a" ;;
      *) request="$request$key $a${rest:+ $rest}$NL" ;;
    esac
  done
  check_tag
  is_number "$GRACE" && is_number "$STABLE" && [ "$GRACE" -gt 0 ] || fail bad_request "grace and stable must be numbers, found '$GRACE' and '$STABLE'"
  admit
  need_restore
  # The same arm once more: a state that has gone on from there is answered as it is.
  if [ "$R_OP $R_FENCE $R_SEQ" = "$OPERATION $FENCE $SEQ" ]; then
    if [ "$R_STATE" = armed ]; then install_units; fi
    reply_restore
  fi
  if [ "$R_STATE" = restoring ]; then fail busy "the host is going back from operation $R_OP"; fi
  need_program
  { mkdir -p "$D" "$Q" && place "$D/request" 600 write_request && place "$Q/restore.sh" 600 write_program; } 2>/dev/null ||
    fail no_state "cannot write $D and $Q"
  install_units
  this_boot
  write_restore armed "$OPERATION" "$FENCE" "$SEQ" "$(($(date +%s) + GRACE))" "$GRACE" "$STABLE" "$BOOT" 2>/dev/null ||
    fail no_state "cannot write $Q/state"
  reply_restore
}
