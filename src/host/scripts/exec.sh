# exec: one command of a person's, detached, in a folder of its own: begun once, read in slices, ended, forgotten.
write_runner() {
  cat <<'GEUSEMAKER_JOB'
@JOB@
GEUSEMAKER_JOB
}

# A service of its own outlives whatever is done to the agent's; what the command leaves behind outlives that service.
launch() {
  if [ -z "$R" ] && [ -d /run/systemd/system ] && have systemd-run &&
    systemd-run --unit="geusemaker-exec-$ID" -p KillMode=process "$SH" "$E/run.sh" "$E" </dev/null >/dev/null 2>&1; then
    return 0
  fi
  # shellcheck disable=SC2086
  setsid $SH "$E/run.sh" "$E" </dev/null >/dev/null 2>&1 &
}

# The same id twice begins it once, also when it has long been forgotten: a script may be delivered again for two days.
begin() {
  have setsid || fail no_setsid "setsid is not on the host"
  is_number "$LIMIT" && [ "$LIMIT" -gt 0 ] && [ -n "$request" ] || fail bad_request "a command and its limit in seconds are needed"
  mkdir -p "$S/exec" && chmod 700 "$S" || fail no_state "cannot make $S/exec"
  find "$S/exec" -mindepth 1 -maxdepth 1 -mtime +2 -exec rm -rf {} + 2>/dev/null || :
  [ ! -e "$S/exec/$ID.ended" ] || fail ended "this command was begun once, and has ended"
  if mkdir "$E" 2>/dev/null; then
    printf %s "$request" >"$E/request" && write_runner >"$E/run.sh" && printf '%s\n' "$LIMIT" >"$E/limit" &&
      : >"$E/out" && : >"$E/err" || fail no_state "cannot write $E"
    launch
  fi
  [ -d "$E" ] || fail no_state "cannot make $E"
  # Most commands are over soon: their end is part of the first answer.
  NAPPED=0
  while [ ! -f "$E/status" ] && [ "$NAPPED" -lt 300 ]; do nap; done
  while [ ! -f "$E/pid" ] && [ "$NAPPED" -lt 3000 ]; do nap; done
}

# state: sets STATE, CODE, WHY, and the sizes at its end.
state() {
  STATE='' CODE='' WHY='' OUTS='' ERRS=''
  for _try in 1 2; do
    if [ -f "$E/status" ]; then
      STATE=ended
      read -r CODE OUTS ERRS WHY <"$E/status" || :
      return 0
    fi
    if [ ! -d "$E" ]; then STATE=unknown; return 0; fi
    _p='' _b=''
    { read -r _p _b <"$E/pid"; } 2>/dev/null || :
    if ! is_number "$_p"; then
      # Begun, and on a busy host not yet so far that it has a number.
      if [ -n "$(find "$E" -maxdepth 0 -mmin -1 2>/dev/null)" ]; then STATE=running; return 0; fi
    elif [ "$_b" = "$(boot_id)" ] && kill -0 "$_p" 2>/dev/null; then STATE=running; return 0; fi
    # It may have ended between the two looks.
    STATE=lost
  done
}

# slice FILE FROM SIZE MOST: sets PART to one slice as JSON, and LEFT to what it leaves of MOST.
slice() {
  _size=$3 _at=$2
  if ! is_number "$_size"; then
    _size=0
    if [ -f "$E/$1" ]; then _size=$(wc -c <"$E/$1"); fi
  fi
  _size=$((_size))
  if [ $((_size - _at)) -gt "$KEEP" ]; then _at=$((_size - KEEP / 2)); fi
  if [ "$_at" -gt "$_size" ]; then _at=$_size; fi
  _n=$((_size - _at))
  if [ "$_n" -gt "$4" ]; then _n=$4; fi
  _t=
  if [ "$_n" -gt 0 ]; then
    # By blocks: a `tail` that counts from the beginning would read all of a long file.
    _t=$(dd if="$E/$1" bs=1024 skip=$((_at / 1024)) count=$((_n / 1024 + 2)) 2>/dev/null | tail -c "+$((_at % 1024 + 1))" | head -c "$_n" | b64)
  fi
  PART="\"$1\":{\"at\":$_at,\"size\":$_size,\"text\":\"$_t\"}" LEFT=$(($4 - _n))
}

main() {
  ID='' DO='' LIMIT='' OUT=0 ERR=0 request=''
  while read -r key a; do
    case $key in
      id) un64 ID "$a" ;;
      do) un64 DO "$a" ;;
      limit) un64 LIMIT "$a" ;;
      out) un64 OUT "$a" ;;
      err) un64 ERR "$a" ;;
      arg) request="$request$key $a$NL" ;;
    esac
  done
  is_operation "$ID" || fail bad_request "not the id of a command: '$ID'"
  is_number "$OUT" && is_number "$ERR" || fail bad_request "out and err must be numbers"
  E=$S/exec/$ID
  case $DO in
    begin) begin ;;
    read) ;;
    end)
      printf 'interrupted\n' >"$E/why" 2>/dev/null || :
      signal_all TERM
      ;;
    forget)
      state
      if [ "$STATE" != running ]; then
        if [ -d "$S/exec" ]; then : >"$S/exec/$ID.ended"; fi
        rm -rf "$E"
      fi
      ;;
    *) fail bad_request "no such thing to do: '$DO'" ;;
  esac
  state
  # One answer is one command: with base64 it stays below what is cut off.
  slice err "$ERR" "$ERRS" 4000
  _err=$PART
  slice out "$OUT" "$OUTS" "$((LEFT + 10000))"
  reply "{\"state\":\"$STATE\",\"code\":\"$CODE\",\"why\":\"$WHY\",$_err,$PART}"
}
