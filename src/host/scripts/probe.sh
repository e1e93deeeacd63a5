# probe: asks what the compose file declares, and gives the last lines of logs. Changes nothing.
LOG='o=$1; docker logs --tail 20 "$2" 2>&1 | tail -c 4000 >"$o.t"; a=ok; '$END

main() {
  _lines='' _logs=''
  while read -r key a rest; do
    case $key in
      offset) un64 OFFSET "$a" ;;
      probe) _lines="$_lines$key $a $rest$NL" ;;
      log) _logs="$_logs $a" ;;
    esac
  done
  docker_up || fail docker_down "docker.service is $DOWN"
  scratch
  asks <<EOF
$_lines
EOF
  NAPPED=0 _out='' _i=1
  while [ "$_i" -le "$ASKED" ]; do
    answer "$_i"
    _out="$_out\"$(text64 "$ANSWER")\","
    _i=$((_i + 1))
  done
  _said=
  for _a in $_logs; do
    un64 _name "$_a"
    is_name "$_name" || continue
    bounded 3 "$LOG" "$_name"
    if [ "$ANSWER" = ok ]; then ANSWER=$(b64 <"$T/$PROBE.t"); else ANSWER=; fi
    _said="$_said\"$ANSWER\","
  done
  rm -rf "$T"
  reply "{\"probes\":[${_out}null],\"logs\":[${_said}null]}"
}
