# Run with the folder of a command. Once more with `command`: becomes it.
E=${1-}
if [ "${2-}" = command ]; then
  printf '%s\n' "$$" >"$E/.group" && mv -f "$E/.group" "$E/group"
  set --
  while read -r _key _a; do
    un64 A "$_a"
    set -- "$@" "$A"
  done <"$E/request"
  GEUSEMAKER_EXEC=${E##*/}
  export GEUSEMAKER_EXEC
  unset LC_ALL
  umask 022
  cd "$R/" || exit 126
  exec "$@"
fi

size_of() { _n=$(wc -c <"$1") && printf %s "$((_n))"; }

# over WHY: TERM, and KILL to what is still there ten seconds later.
over() {
  printf '%s\n' "$1" >"$E/why"
  signal_all TERM
  sleep 10
  signal_all KILL
}

# The time limit, and the disk: what nobody will read any more is given back where the file system can, else a command
# that fills it is ended.
watch() {
  _w=0
  while :; do
    if [ "$_w" -ge "$LIMIT" ]; then over timed_out; return 0; fi
    sleep 1
    _w=$((_w + 1))
    for _f in out err; do
      _size=$(size_of "$E/$_f")
      [ "${_size:-0}" -gt $((KEEP * 2)) ] || continue
      if fallocate -p -o 0 -l "$(((_size - KEEP * 2) / 4096 * 4096))" "$E/$_f" 2>/dev/null; then continue; fi
      if [ "$_size" -gt $((KEEP * 64)) ]; then over output; return 0; fi
    done
  done
}

exec </dev/null >/dev/null 2>&1
printf '%s %s\n' "$$" "$(boot_id)" >"$E/.pid" && mv -f "$E/.pid" "$E/pid"
# It was to end before it began: there was nobody yet to hear of it.
if [ -f "$E/why" ]; then
  printf '143 0 0 interrupted\n' >"$E/.status" && mv -f "$E/.status" "$E/status"
  exit 0
fi
read -r LIMIT <"$E/limit"
# In the background of a shell without job control it leads no group: setsid does not fork, and it keeps its number.
# shellcheck disable=SC2086
setsid $SH "$E/run.sh" "$E" command >>"$E/out" 2>>"$E/err" &
CHILD=$!
watch &
WATCHER=$!
wait "$CHILD"
CODE=$?
kill "$WATCHER" 2>/dev/null || :
# The command itself may have ended before the watcher came to what it began inside a container.
if [ -f "$E/why" ]; then signal_all TERM; fi
# Only what was written by now counts: what it left in the background may write for ever.
WHY=
{ read -r WHY <"$E/why"; } 2>/dev/null || :
printf '%s %s %s %s\n' "$CODE" "$(size_of "$E/out")" "$(size_of "$E/err")" "$WHY" >"$E/.status"
mv -f "$E/.status" "$E/status"
