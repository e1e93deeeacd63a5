# logs: of each container what it wrote since a moment, without the lines and bytes that are known, and no more than
# fits. Writes nothing.
main() {
  WANTED='' LOGS=''
  while read -r key a rest; do
    case $key in log) WANTED="$WANTED$a $rest$NL" ;; esac
  done
  docker_up || fail docker_down "docker.service is $DOWN"
  scratch
  while read -r a b c d e f; do
    [ -n "$a" ] || continue
    un64 _id "$a"
    un64 _since "$b"
    un64 _tail "$c"
    un64 _lines "$d"
    un64 _bytes "$e"
    un64 _most "$f"
    is_name "$_id" && is_number "$_lines" && is_number "$_bytes" && is_number "$_most" || fail bad_request "not a container, or not numbers"
    set -- --timestamps --tail "$_tail"
    if [ -n "$_since" ]; then set -- "$@" --since "$_since"; fi
    _text=$({ docker logs "$@" "$_id" 2>&1 </dev/null; echo "$?" >"$T/code"; } | tail -n "+$((_lines + 1))" | tail -c "+$((_bytes + 1))" | head -c "$_most" | b64)
    _code=
    { read -r _code <"$T/code"; } 2>/dev/null || :
    rm -f "$T/code"
    _why=null
    # One that was cut off has an end of its own. What is wrong is asked without a line of the log.
    if [ "${_code:-0}" != 0 ] && [ "$(printf %s "$_text" | base64 -d | wc -c)" -lt "$_most" ] &&
      ! _w=$(docker logs --tail 0 "$_id" 2>&1 </dev/null); then
      _why="\"$(text64 "$(printf %s "$_w" | tail -n 3 | tail -c 300)")\"" _text=
    fi
    LOGS="$LOGS{\"id\":\"$_id\",\"text\":\"$_text\",\"failed\":$_why},"
  done <<EOF
$WANTED
EOF
  rm -rf "$T"
  reply "{\"logs\":[${LOGS}null]}"
}
