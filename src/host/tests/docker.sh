#!/bin/sh
# A docker for the tests: its state is files under $STUB, its answers are those of the few forms that the scripts use.
# It knows nothing of templates: a form is known by a word in it.
set -u
D=$STUB
word=$1; [ "$1" = compose ] && for a in "$@"; do case $a in up | config | version) word=$a ;; esac; done
n=0; [ -f "$D/slow/$word" ] && n=$(cat "$D/slow/$word")
# shellcheck disable=SC2129
# One line a call: in the log of the tests, arguments stay apart.
printf '%s' "$1" >>"$D/calls"; for a in "$@"; do [ "$a" = "$1" ] || case $a in *'{{'*) printf ' FMT' ;; *) printf ' [%s]' "$a" ;; esac; done >>"$D/calls"; echo >>"$D/calls"
i=0; while [ "$i" -lt "$n" ]; do sleep 0.1; i=$((i + 1)); done
for a in "$@"; do last=$a; done
for f in "$D/fail/$word" "$D/fail/$word.$(printf %s "$last" | tr / _)"; do
  [ -f "$f" ] && { cat "$f" >&2; exit 1; }
done
find_one() { # NAME or id, or the beginning of an id
  C=
  [ -d "$D/containers/$1" ] && C=$D/containers/$1 && return 0
  for c in "$D/containers"/*; do
    [ -d "$c" ] || continue
    case $(cat "$c/id") in "$1"*) C=$c; return 0 ;; esac
  done
  echo "Error: No such container: $1" >&2
  return 1
}
image_of() { for l in "$D/images"/*; do [ -f "$l" ] || continue; [ "$(sed -n 1p "$l")" = "$1" ] && { sed -n 2p "$l"; return 0; }; done; return 1; }
case "$*" in
  'compose version --short') echo 2.27.1 ;;
  'info --format'*) echo 26.1.3 /var/lib/docker ;;
  'exec '*) find_one "$2" || exit 1; shift 2; STUB_NAME=$C sh -c '"$@"' x "$@" ;;
  'logs '*) # lines of the file `log` begin with their time where a test wants them to
    tail=all since=; shift
    while [ $# -gt 1 ]; do case $1 in --timestamps) shift ;; --tail) tail=$2; shift 2 ;; --since) since=$2; shift 2 ;; *) exit 64 ;; esac; done
    find_one "$1" || exit 1
    case $tail in all) cat "$C/log" ;; *) tail -n "$tail" "$C/log" ;; esac | SINCE=$since awk 'ENVIRON["SINCE"] == "" || $1 >= ENVIRON["SINCE"]' ;;
  'ps -aq --no-trunc --filter label=geusemaker.held='*)
    for c in "$D/containers"/*; do [ "$(cat "$c/held" 2>/dev/null)" = "${last#label=geusemaker.held=}" ] && cat "$c/id"; done; exit 0 ;;
  'image ls --no-trunc --format '*' geusemaker/held')
    for l in "$D/images"/geusemaker_held*; do [ -f "$l" ] && printf '%s %s\n' "$(sed -n 's/^[^:]*://p' "$l" | head -n 1)" "$(sed -n 2p "$l")"; done; exit 0 ;;
  'create --name '*)
    [ ! -d "$D/containers/$3" ] || { echo "Error response from daemon: Conflict. The container name \"/$3\" is already in use." >&2; exit 1; }
    name=$3 held=${5#*=}; while [ $# -gt 2 ]; do shift; done
    mkdir "$D/containers/$name"; printf %s "$name" | sha256sum | cut -c1-64 >"$D/containers/$name/id"
    echo "$1" >"$D/containers/$name/image"; echo "$held" >"$D/containers/$name/held"; echo created >"$D/containers/$name/status"
    cat "$D/containers/$name/id" ;;
  'rm -v '*) find_one "$3" || exit 1; rm -r "$C"; echo "$3" ;;
  'rmi '*) l=$D/images/$(printf %s "$2" | tr / _); [ -f "$l" ] || { echo "Error: No such image: $2" >&2; exit 1; }; rm "$l"; echo "Untagged: $2" ;;
  'ps -aq --no-trunc') for c in "$D/containers"/*; do [ -d "$c" ] && cat "$c/id"; done; exit 0 ;;
  'inspect --type container --format '*)
    form=$5; shift 5; rc=0
    for n in "$@"; do
      find_one "$n" || { rc=1; continue; }
      case $form in
        '{{.ID}} {{.Image}}') printf '%s %s\n' "$(cat "$C/id")" "$(cat "$C/image")" ;;
        *'"labels":'*) sed "s|@IMAGE@|$(cat "$C/image")|g; s|@STATUS@|$(cat "$C/status")|g" "$C/look" ;;
        *' none {{.ID}}'*'{{.RestartCount}}') printf '/%s %s none %s %s 0\n' "${C##*/}" "$(cat "$C/status")" "$(cat "$C/id")" "$(cat "$C/started" 2>/dev/null || echo 1)" ;;
        *'{{.RestartCount}}') printf '/%s %s %s %s %s 0\n' "${C##*/}" "$(cat "$C/status")" "$(cat "$C/health" 2>/dev/null || echo none)" "$(cat "$C/id")" "$(cat "$C/started" 2>/dev/null || echo 1)" ;;
        '{{.Name}}') echo "/${C##*/}" ;;
        'x{{.Name}}'*) cat "$C/row" ;;
        '{{range .Config.Env}}'*) cat "$C/made" ;;
        *MaximumRetryCount*) cat "$C/policy" ;;
        *'RestartPolicy.Name}}') sed 's/:.*//' "$C/policy" ;;
        *working_dir*) printf '/%s %s %s %s %s\n' "${C##*/}" "$(cat "$C/id")" "$(cat "$C/image")" "$(cat "$C/status")" "$(cat "$C/dir" 2>/dev/null)" ;;
        *) echo "the stub does not know this form: $form" >&2; exit 64 ;;
      esac
    done
    exit "$rc" ;;
  'image inspect --format '*)
    form=$4; shift 4; rc=0
    for n in "$@"; do
      case $n in sha256:*) id=$n ;; *) id=$(image_of "$n") || { echo "Error: No such image: $n" >&2; rc=1; continue; } ;; esac
      case $form in
        'I {{.ID}}'*) if grep -qsx "$id" "$D/gone"; then echo "Error: No such image: $id" >&2; rc=1; else echo "I $id"; cat "$D/about.$id" 2>/dev/null; fi ;;
        '{{range .Config.Env}}'*) [ -f "$D/brought.$id" ] || { echo "Error: No such image: $n" >&2; exit 1; }; cat "$D/brought.$id" ;;
        *architecture*) echo "{\"id\":\"$id\",\"digests\":null,\"architecture\":\"amd64\"}" ;;
        *RepoDigests*) echo "$id [\"x@$id\"]" ;;
        *) echo "$id" ;;
      esac
    done
    exit "$rc" ;;
  'pull '*) echo "$2: Pulling"; echo "Status: Downloaded $2" ;;
  'tag '*) printf '%s\n%s\n' "$3" "$2" >"$D/images/$(printf %s "$3" | tr / _)" ;;
  'rename '*) find_one "$2" || exit 1; [ ! -d "$D/containers/$3" ] || { echo "Error response from daemon: Conflict." >&2; exit 1; }; mv "$C" "$D/containers/$3" ;;
  'rm '*) find_one "$2" || exit 1; [ "$(cat "$C/status")" != running ] || exit 1; rm -r "$C"; echo "$2" ;;
  'stop '*) find_one "$2" || exit 1; echo exited >"$C/status"; echo "$2" ;;
  'start '*) find_one "$2" || exit 1; echo running >"$C/status"; echo "$2" ;;
  'update --restart='*) find_one "$3" || exit 1; echo "${2#--restart=}" >"$C/policy"; echo "$3" ;;
  *' config -q') shift 5; [ "$1" = -f ] || exit 64; while [ "$1" = -f ]; do grep -q BROKEN "$GEUSEMAKER_ROOT$2" && break; shift 2; done; [ "$1" = -f ] && { printf 'invalid interpolation format for services.db.environment.PW.\nYou may need to escape any $ with another $.\nhunter2$\n' >&2; exit 15; }; exit 0 ;;
  *' config --format json '*) cat "$D/config.json" ;;
  *' up -d --no-deps --pull never --no-build '*)
    find_one "$last" || { mkdir "$D/containers/$last"; C=$D/containers/$last; echo ffff >"$C/id"; }
    image_of "$last.wanted" >"$C/image" || exit 1
    echo running >"$C/status"; echo "Container $last Started" >&2 ;;
  *) echo "the stub does not know: $*" >&2; exit 64 ;;
esac
