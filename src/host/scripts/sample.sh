# sample: looks at a few files of each folder, all folders side by side. Changes nothing.
# What runs for one folder (or one file): answer, path, mount point, how many files, how many bytes of each; then the
# names that are wanted. Without a name it chooses: of the first 500 files with content, at most four folders deep, those
# that were changed longest ago. What a running service writes again and again is young. Ours (the sentinel) is left out.
ONE='o=$1 d=$2 p=$3 n=$4 k=$5 c=0 r= y=
shift 5
l=$(printf "\nx") l=${l%x}
if v=$(stat -L -c %d -- "$d" 2>&1); then
if [ "$v" = "$(stat -L -c %d -- "$p" 2>/dev/null)" ]; then x=same; else x=apart; fi
if [ -f "$d" ]; then
if [ -s "$d" ]; then c=1; fi
if [ $# = 0 ]; then set -- "${d##*/}"; fi
cd -- "${d%/*}/" || y=no
elif cd -- "$d/" && { find . -xdev -maxdepth 4 -type f -size +0c ! -path "./.geusemaker/*" ! -path "*$l*" 2>/dev/null | head -n 500 >"$o.l"; }; then
c=$(($(wc -l <"$o.l")))
if [ $# = 0 ]; then
while IFS= read -r f; do if [ "${#f}" -le 160 ]; then set -- "$@" "$f"; fi; done <"$o.l"
if [ $# -gt 0 ]; then stat -c "%Y %n" -- "$@" 2>/dev/null | sort -k1,1n -k2 | head -n "$n" >"$o.s"; set --
while IFS= read -r f; do f=${f#* }; set -- "$@" "${f#./}"; done <"$o.s"; fi
fi
else y=no; fi
if [ -n "$y" ]; then set --; fi
for f; do
if [ -f "./$f" ] && s=$(stat -c %s -- "./$f" 2>/dev/null); then h=-
if [ -r "./$f" ]; then h=$(head -c "$k" <"./$f" | sha256sum) h=${h%% *}; fi
r="$r$h $s $f$l"
fi
done
if [ -n "$y" ]; then a="error it cannot be entered"; else a="ok $x $c"; fi
else case $v in *"No such file"*) a=gone ;; *) a="error ${v##*: }" ;; esac; fi
printf "%s\n%s" "$a" "$r" >"$o.w" && mv "$o.w" "$o"'

# begin MOST PATH [NAME…], each in base64
begin() {
  un64 _most "$1"
  un64 _path "$2"
  shift 2
  _n=$#
  while [ "$_n" -gt 0 ]; do
    un64 _w "$1"
    shift
    set -- "$@" "$_w"
    _n=$((_n - 1))
  done
  is_number "$_most" || return 0
  BEGUN=$((BEGUN + 1))
  apart "$ONE" sample "$T/$BEGUN" "$R$_path" "$R$POINT" "$_most" "$BYTES" "$@"
  eval "PID_$BEGUN=$STARTED"
}

main() {
  POINT='' LIMIT=3 BYTES=65536 _folders='' BEGUN=0
  while read -r key a rest; do
    case $key in
      offset) un64 OFFSET "$a" ;;
      point) un64 POINT "$a" ;;
      limit) un64 LIMIT "$a" ;;
      bytes) un64 BYTES "$a" ;;
      folder) _folders="$_folders$a $rest$NL" ;;
    esac
  done
  is_number "$LIMIT" && is_number "$BYTES" || fail bad_request "limit and bytes must be numbers"
  command -v find >/dev/null 2>&1 || fail no_find "find is not on the host"
  scratch
  while read -r _words; do
    # shellcheck disable=SC2086
    if [ -n "$_words" ]; then begin $_words; fi
  done <<EOF
$_folders
EOF
  # One time for all of them. What has not answered is ended; what cannot be is left, and holds nothing of ours.
  NAPPED=0 _out='' _i=1
  while [ "$_i" -le "$BEGUN" ]; do
    until [ -e "$T/$_i" ] || [ "$NAPPED" -ge $((LIMIT * 1000)) ]; do nap; done
    if [ -e "$T/$_i" ]; then _a=$(b64 <"$T/$_i")
    else
      eval "_pid=\$PID_$_i"
      end_apart "$_pid"
      _a=$(text64 hangs)
    fi
    _out="$_out\"$_a\","
    _i=$((_i + 1))
  done
  rm -rf "$T"
  reply "{\"folders\":[${_out}null]}"
}
