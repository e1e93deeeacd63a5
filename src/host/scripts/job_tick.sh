# tick: what the timer runs. The state file alone says whether there is anything to do.
TRIES=5

# Every container that was green before. SEEN changes when one is made anew or restarts; RED names the first that is
# not green; BLIND says that Docker did not answer.
green_one() {
  if ! is_name "$A"; then RED="${RED:-$A}"; return 0; fi
  # What declares its health otherwise is not measured by Docker's.
  _h='{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}'
  if [ "$B" = declared ]; then _h=none; fi
  _f="{{.Name}} {{.State.Status}} $_h {{.ID}} {{.State.StartedAt}} {{.RestartCount}}"
  if _o=$(docker inspect --type container --format "$_f" "$A" 2>/dev/null </dev/null); then
    case $_o in "/$A running healthy "* | "/$A running none "*) ;; *) RED=${RED:-$A} ;; esac
    SEEN=$SEEN$_o$NL
    return 0
  fi
  case $(docker inspect --type container --format "$_f" "$A" 2>&1 </dev/null) in
    *[Nn]o\ such*) RED=${RED:-$A} ;;
    *) BLIND=yes ;;
  esac
}
look_green() {
  SEEN='' RED=''
  each green green_one
  if [ -z "$RED$BLIND" ]; then look_probes; fi
}

# What the controller's gate asks, with the same judgement: what is not ok is red.
look_probes() {
  T=$Q/.asks
  rm -rf "$T"
  mkdir -p "$T" || { RED=probes; return 0; }
  asks <"$D/request"
  NAPPED=0 _i=1
  while [ "$_i" -le "$ASKED" ]; do
    answer "$_i"
    if [ "$ANSWER" != ok ]; then RED="${RED:-$NAME: ${ANSWER#no }}"; fi
    _i=$((_i + 1))
  done
  rm -rf "$T"
}

# half_done: the newest work of the controller on the containers was cut off or failed. What is left then is neither
# the old nor the new, however green; nor is it where a restart policy waits to be put back. Sets HALF to its record.
half_done() {
  for HALF in "$S/policies"/*; do
    if [ -s "$HALF" ]; then return 0; fi
  done
  HALF='' _hf=0 _hs=0
  for _r in "$S/ops/$R_OP"/*-*; do
    if [ ! -f "$_r/job" ] || [ -f "$_r/itself" ]; then continue; fi
    _s=${_r##*/} _f=${_s%%-*} _s=${_s#*-}
    is_number "$_f" && is_number "$_s" && ! grep -q '^kind cHVsbA==$' "$_r/request" || continue
    if [ "$_f" -gt "$_hf" ] || { [ "$_f" -eq "$_hf" ] && [ "$_s" -gt "$_hs" ]; }; then HALF=$_r _hf=$_f _hs=$_s; fi
  done
  [ -n "$HALF" ] || return 1
  _end=
  { read -r _end <"$HALF/status"; } 2>/dev/null || :
  [ "$_end" != 'done' ]
}

# Sets GREEN to yes when all that was green before is green, and stays so without a restart.
judge() {
  GREEN='' BLIND='' D=$S/ops/$R_OP/$R_FENCE-$R_SEQ
  look_green
  if [ -n "$RED$BLIND" ]; then say "not green: ${RED:-Docker does not answer}"; return 0; fi
  if [ -z "$SEEN" ]; then say "nothing was green before"; return 0; fi
  if half_done; then say "half done: $HALF"; return 0; fi
  _first=$SEEN
  sleep "$R_C"
  look_green
  if [ -z "$RED$BLIND" ] && [ "$SEEN" = "$_first" ]; then GREEN=yes; else say "not stable: ${RED:-a container started anew}"; fi
}

# overdue: armed, of this boot, and past the deadline. After a boot, or when the clock was put back, it counts anew.
overdue() {
  this_boot
  _now=$(date +%s)
  if [ "$R_D" != "$BOOT" ] || [ "$R_A" -gt $((_now + R_B)) ]; then set_deadline; return 1; fi
  [ "$_now" -ge "$R_A" ]
}

locked_state() {
  take 9 "$S/lock" 5000 || { say "another script of ours has held $S/lock for 5 s"; exit 1; }
  read_restore || { say "$Q/state is damaged: '$R_STATE $R_OP $R_FENCE $R_SEQ $R_A $R_B $R_C $R_D'"; exit 1; }
}

# go_back: under the lock. Makes the record of a job and runs it here, to its end.
go_back() {
  case $R_STATE in restoring) _tries=$R_B ;; *) _tries=0 ;; esac
  _tries=$((_tries + 1)) _seq=900000000000000001
  while [ -e "$S/ops/$R_OP/$R_FENCE-$_seq" ]; do _seq=$((_seq + 1)); done
  D=$S/ops/$R_OP/$R_FENCE-$_seq _n=$S/ops/$R_OP/.itself
  rm -rf "$_n"
  mkdir -p "$_n" && cat "$S/ops/$R_OP/$R_FENCE-$R_SEQ/request" >"$_n/request" && printf '%s %s\n' "$R_FENCE" "$_seq" >"$_n/tag" &&
    : >"$_n/log" && : >"$_n/itself" && mv "$_n" "$D" &&
    write_restore restoring "$R_OP" "$R_FENCE" "$R_SEQ" host "$_tries" "$R_FENCE-$_seq" || { say "cannot write $D"; exit 1; }
  say "goes back, try $_tries of $TRIES: $D"
  # shellcheck disable=SC2086
  setsid $SH "$Q/restore.sh" "$D" </dev/null >/dev/null 2>&1 9>&- &
  NAPPED=0
  while [ ! -f "$D/job" ] && [ "$NAPPED" -lt 3000 ]; do nap; done
  drop 9 "$S/lock"
  { wait "$!"; } 2>/dev/null || :
  _end=
  { read -r _end <"$D/status"; } 2>/dev/null || _end='cut off'
  say "$_end"
  [ "$_end" = 'done' ]
}

tick() {
  locked_state
  case $R_STATE in
    armed) overdue || return 0 ;;
    restoring) if at_work || [ "$R_B" -ge "$TRIES" ]; then return 0; fi ;;
    *) quiet; return 0 ;;
  esac
  drop 9 "$S/lock"
  # One that is down, or does not answer, is waited for: the next tick comes.
  docker_up || { say "docker.service is $DOWN"; return 0; }
  docker ps -aq --no-trunc </dev/null >/dev/null 2>&1 || { say "docker does not answer"; return 0; }
  GREEN='' BLIND='' _was="$R_STATE $R_OP $R_FENCE $R_SEQ"
  if [ "$R_STATE" = armed ]; then judge; fi
  if [ -n "$BLIND" ]; then return 0; fi
  # The controller may have spoken meanwhile.
  locked_state
  [ "$_was" = "$R_STATE $R_OP $R_FENCE $R_SEQ" ] || return 0
  case $R_STATE in
    armed) overdue || return 0 ;;
    *) if at_work; then return 0; fi ;;
  esac
  if [ -n "$GREEN" ]; then
    say "all that was green is green: it stays"
    write_restore committed "$R_OP" "$R_FENCE" "$R_SEQ" host || exit 1
    quiet
    return 0
  fi
  go_back
}

if [ "${1-}" = tick ]; then
  tick
  exit
fi
