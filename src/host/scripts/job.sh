# The job itself. It ends by writing `status`, or not at all.
KIND='' FORWARD=''

# begin RECORD: claims it.
begin() {
  D=$1 RECORD=${1##*/} OPERATION=${1%/*}
  OPERATION=${OPERATION##*/}
  exec </dev/null >>"$D/log" 2>&1
  take 8 "$D/alive" 5000 || exit 0
  printf '%s %s\n' "$$" "$(boot_id)" >"$D/.job.$$"
  ln "$D/.job.$$" "$D/job" 2>/dev/null || { rm -f "$D/.job.$$"; exit 0; }
  rm -f "$D/.job.$$"
  read -r FENCE SEQ <"$D/tag"
}

say() { printf '%s\n' "$*"; }

# finish done | finish failed CODE
finish() {
  printf '%s\n' "$*" >"$D/.status" && durable "$D/.status" && mv -f "$D/.status" "$D/status"
  exit 0
}

# Before each effect: a newer operation has taken over, or the host has judged by itself. The host's own way back
# depends on no fence: it goes on as long as the state file names it.
still_ours() {
  if [ -f "$D/itself" ]; then
    read_restore && [ "$R_STATE $R_OP $R_C" = "restoring $OPERATION $RECORD" ] && return 0
    say "the state is ${R_STATE:-damaged} by now"
    finish failed fenced
  fi
  if [ -n "$FORWARD" ]; then
    read_restore || { say "$Q/state is damaged"; finish failed bad_state; }
    if judged; then say "the host has judged by itself: $R_STATE"; finish failed "$JUDGED"; fi
  fi
  read_fence || { say "$S/fence cannot be read"; finish failed fenced; }
  [ "$F_SEEN" -le "$FENCE" ] || { say "fence $F_SEEN has taken over from fence $FENCE"; finish failed fenced; }
}

# each KEY FUNCTION: calls it for every line of that key, with the values in A, B and C.
each() {
  while read -r _key _a _c1 _c2 <&3; do
    [ "$_key" = "$1" ] || continue
    un64 A "$_a"
    un64 B "${_c1:--}"
    un64 C "${_c2:--}"
    "$2"
  done 3<"$D/request"
}

# value KEY: the one value of that key, in A.
value() {
  A=
  each "$1" :
}

# Waits while Docker comes up. One that is down is not asked: that would start it, before its mount is there.
need_docker() {
  NAPPED=0
  until docker_up; do
    if [ "$DOWN" != activating ] || [ "$NAPPED" -ge 120000 ]; then
      say "docker.service is $DOWN"
      finish failed docker_down
    fi
    nap
  done
}

newer() { [ "$1" -gt "$FENCE" ] || { [ "$1" -eq "$FENCE" ] && [ "$2" -gt "$SEQ" ]; }; }

# first RECORD: whether its end is waited for, at most 15 minutes. Two ways back do not end each other.
first() {
  [ "$_turn" -lt 9000 ] || return 1
  [ -f "$1/itself" ] || { [ -f "$D/itself" ] && grep -q '^kind cmVzdG9yZQ==$' "$1/request"; }
}

# Only one job at a time has its hands on the containers. An older one was given up by whoever sent this.
hands() {
  _turn=0 _ends=0 _most=600
  until take 7 "$S/hands" 0; do
    _turn=$((_turn + 1))
    if [ "$_turn" -gt "$_most" ]; then say "another job does not end"; finish failed busy; fi
    _old='' _of='' _os='' _pid=''
    { read -r _old <"$S/hands.record"; read -r _of _os <"$_old/tag"; read -r _pid _b <"$_old/job"; } 2>/dev/null || :
    if is_number "$_of" && is_number "$_os" && is_number "$_pid" && alive "$_old"; then
      if first "$_old"; then
        if [ "$_most" = 600 ]; then say "waits for the way back that is at work: $_old"; fi
        _most=9600
        sleep 0.1 2>/dev/null || sleep 1
        continue
      fi
      if [ ! -f "$D/itself" ] && [ ! -f "$_old/itself" ] && newer "$_of" "$_os"; then
        say "a newer job is at work: $_old"
        finish failed fenced
      fi
      _ends=$((_ends + 1))
      case $_ends in
        1) say "ends an older job: $_old"; kill -s TERM -- "-$_pid" 2>/dev/null || : ;;
        30) kill -s KILL -- "-$_pid" 2>/dev/null || : ;;
      esac
    fi
    sleep 0.1 2>/dev/null || sleep 1
  done
  printf '%s\n' "$D" >"$S/.hands.record" && mv -f "$S/.hands.record" "$S/hands.record"
  still_ours
}

no_space() { grep -qi 'no space left on device' "$1"; }

# container NAME: sets C_ID, C_IMAGE, C_STATUS, C_DIR; 1 if there is none. Docker also takes a name for the beginning of
# an id, so the name that comes back is compared.
container() {
  C_ID='' C_IMAGE='' C_STATUS='' C_DIR=''
  is_name "$1" || return 1
  if _o=$(docker inspect --type container --format '{{.Name}} {{.ID}} {{.Image}} {{.State.Status}} {{index .Config.Labels "com.docker.compose.project.working_dir"}}' "$1" 2>"$D/err"); then
    _n=${_o%% *} _o=${_o#* }
    [ "$_n" = "/$1" ] || return 1
    C_ID=${_o%% *} _o=${_o#* }
    C_IMAGE=${_o%% *} _o=${_o#* }
    C_STATUS=${_o%% *} C_DIR=${_o#* }
    return 0
  fi
  if grep -qi 'no such' "$D/err"; then return 1; fi
  cat "$D/err"
  return 2
}
