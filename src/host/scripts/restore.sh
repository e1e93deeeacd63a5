# The state of the armed restore: one file of one line, changed only under $S/lock. FENCE and SEQ are those of the arm,
# whose record holds what to go back to. WHO is host or controller, RECORD the job at work.
#   idle
#   armed OPERATION FENCE SEQ DEADLINE GRACE STABLE BOOT
#   restoring OPERATION FENCE SEQ WHO TRIES RECORD
#   restored | committed OPERATION FENCE SEQ WHO
Q=$S/restore
TIMER=geusemaker-restore.timer

is_operation() { case $1 in '' | -* | *[!a-zA-Z0-9-]*) return 1 ;; esac; }
is_who() { case $1 in host | controller) ;; *) return 1 ;; esac; }

# read_restore: sets R_STATE, R_OP, R_FENCE, R_SEQ, and R_A to R_D in the order above. A damaged file is never idle.
read_restore() {
  R_STATE=idle R_OP='' R_FENCE='' R_SEQ='' R_A='' R_B='' R_C='' R_D='' _more=''
  [ -e "$Q/state" ] || return 0
  R_STATE=
  { read -r R_STATE R_OP R_FENCE R_SEQ R_A R_B R_C R_D _more <"$Q/state"; } 2>/dev/null || return 1
  if [ "$R_STATE" = idle ]; then [ -z "$R_OP" ]; return; fi
  is_operation "$R_OP" && is_number "$R_FENCE" && is_number "$R_SEQ" && [ -z "$_more" ] || return 1
  case $R_STATE in
    armed) is_number "$R_A" && is_number "$R_B" && is_number "$R_C" && [ -n "$R_D" ] ;;
    restoring)
      is_who "$R_A" && is_number "$R_B" && [ -z "$R_D" ] && is_number "${R_C%%-*}" && is_number "${R_C#*-}"
      ;;
    restored | committed) is_who "$R_A" && [ -z "$R_B" ] ;;
    *) return 1 ;;
  esac
}

write_restore() { printf '%s\n' "$*" >"$Q/.state" && durable "$Q/.state" && mv -f "$Q/.state" "$Q/state"; }

# restore_line: sets LINE, for the controller to read. What is cut off has a word too many.
restore_line() {
  LINE=idle
  [ -e "$Q/state" ] || return 0
  LINE=
  { read -r LINE <"$Q/state"; } 2>/dev/null || LINE="$LINE (cut off)"
}

this_boot() {
  BOOT=$(boot_id)
  BOOT=${BOOT:-none}
}

# set_deadline: after read_restore, when it is armed: from now on.
set_deadline() {
  this_boot
  _at=$(($(date +%s) + R_B))
  [ "$_at $BOOT" != "$R_A $R_D" ] || return 0
  write_restore armed "$R_OP" "$R_FENCE" "$R_SEQ" "$_at" "$R_B" "$R_C" "$BOOT"
}

# beat: a word of the controller, under the lock.
beat() {
  read_restore && [ "$R_STATE" = armed ] && [ "$R_OP" = "$OPERATION" ] && [ "$FENCE" -ge "$R_FENCE" ] || return 0
  set_deadline || :
}

# far_beat: the same from a script that needs no lock. Only a small read where nothing of this operation is armed.
far_beat() {
  read_restore && [ "$R_STATE" = armed ] && [ "$R_OP" = "$OPERATION" ] || return 0
  read_fence && [ "$FENCE" -ge "$F_SEEN" ] || return 0
  take 9 "$S/lock" 1000 || return 0
  beat
  drop 9 "$S/lock"
}

# judged: whether the host has taken the way back, or the decision, from forward work of OPERATION. Sets JUDGED.
judged() {
  [ "$R_OP" = "$OPERATION" ] || return 1
  case $R_STATE in
    restoring | restored) JUDGED=host_restored ;;
    committed) JUDGED=host_committed ;;
    *) return 1 ;;
  esac
}

at_work() { [ "$R_STATE" = restoring ] && alive "$S/ops/$R_OP/$R_C"; }

# Nothing of ours ticks on a host that has nothing to wait for. Stopping the timer does not stop its service.
quiet() { systemctl disable --now "$TIMER" </dev/null >/dev/null 2>&1 9>&- || :; }
