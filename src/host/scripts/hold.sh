# hold: images that are not to be pruned. Each has a name of ours, and a container that was made and is never started:
# `docker image prune -a` leaves what a container has. With a tag what is missing is made, and what is not wanted any
# more is let go; without one it is only looked at.
OWNER='' WANT='' HELD='' MISSING='' GONE='' EXTRA='' WHY='' DID=''
NAMES=geusemaker/held

# seen: sets BOXES, lines of `CONTAINER IMAGE`, and TAGS, lines of `TAG IMAGE`. Another deployment's are not among them.
seen() {
  BOXES='' _f='{{.ID}} {{.Image}}'
  for _try in 1 2 3; do
    _ids=$(docker ps -aq --no-trunc --filter "label=geusemaker.held=$OWNER" 2>/dev/null </dev/null) ||
      docker_failed ps -aq --no-trunc --filter "label=geusemaker.held=$OWNER"
    [ -n "$_ids" ] || break
    # shellcheck disable=SC2086
    if BOXES=$(docker inspect --type container --format "$_f" $_ids 2>/dev/null </dev/null); then break; fi
    # shellcheck disable=SC2086
    [ "$_try" != 3 ] || docker_failed inspect --type container --format "$_f" $_ids
  done
  _f='{{.Tag}} {{.ID}}'
  _all=$(docker image ls --no-trunc --format "$_f" "$NAMES" 2>/dev/null </dev/null) ||
    docker_failed image ls --no-trunc --format "$_f" "$NAMES"
  TAGS=$(printf '%s\n' "$_all" | sed -n "/^$OWNER-[0-9a-f]\\{12\\} sha256:/p")
}

# named ID: sets SHORT, what our names for it end in.
named() {
  SHORT=${1#sha256:}
  SHORT=$OWNER-${SHORT%"${SHORT#????????????}"}
}

boxed() { case "$BOXES$NL" in *" $1$NL"*) return 0 ;; esac; return 1; }
tagged() { named "$1"; case "$NL$TAGS$NL" in *"$NL$SHORT $1$NL"*) return 0 ;; esac; return 1; }
wanted() { case " $WANT " in *" $1 "*) return 0 ;; esac; return 1; }

# images: sets IMAGES, of those that are wanted and on the host: `I ID`, then `L` where Compose built it, and its volumes.
# Only "no such image" means that one is not there.
images() {
  IMAGES=
  [ -n "$WANT" ] || return 0
  _f='I {{.ID}}{{if .Config.Labels}}{{if index .Config.Labels "com.docker.compose.project"}}{{println}}L{{end}}{{end}}{{range $k, $v := .Config.Volumes}}{{println}}V {{$k}}{{end}}'
  # shellcheck disable=SC2086
  if IMAGES=$(docker image inspect --format "$_f" $WANT 2>&1 </dev/null); then return 0; fi
  # shellcheck disable=SC2086
  if printf '%s\n' "$IMAGES" | grep -q -v -e '^[ILV]' -e '[Nn]o such image' -e '^$'; then docker_failed image inspect --format "$_f" $WANT; fi
}

is_here() { case "$NL$IMAGES$NL" in *"${NL}I $1$NL"*) return 0 ;; esac; return 1; }

# why ID WORDS: the end of what docker said.
why() { WHY="$WHY$1 $(printf '%s\n' "$2" | tail -n 1 | tail -c 300)$NL"; }

# box ID: an image may have no command; it may have volumes, which would be made and filled; and one that Compose built
# has its labels, which would make the container one of the project's.
box() {
  _id=$1
  named "$_id"
  set -- create --name "geusemaker-held-$SHORT" --label "geusemaker.held=$OWNER" --network none
  _of=
  while read -r _k _line; do
    case $_k in I) _of=$_line; continue ;; esac
    [ "$_of" = "$_id" ] || continue
    case $_k:$_line in
      L:*) set -- "$@" --label com.docker.compose.project=geusemaker-held --label com.docker.compose.service= ;;
      V:*:*) ;;
      V:/*) set -- "$@" --tmpfs "$_line" ;;
    esac
  done <<EOF
$IMAGES
EOF
  _said=$(docker "$@" "$_id" geusemaker-held 2>&1 </dev/null) || why "$_id" "$_said"
}

keep() {
  for _w in $WANT; do
    if boxed "$_w" && tagged "$_w"; then continue; fi
    is_here "$_w" || continue
    DID=yes
    boxed "$_w" || box "$_w"
    tagged "$_w" || _said=$(docker tag "$_w" "$NAMES:$SHORT" 2>&1 </dev/null) || why "$_w" "$_said"
  done
}

# A name is taken away without force: where it is the last one of an image that somebody's container has, Docker
# refuses, and it stays. An image that nobody else names goes with it.
let_go() {
  while read -r _name _image; do
    if [ -z "$_name" ] || wanted "$_image"; then continue; fi
    DID=yes
    docker rm -v "$_name" >/dev/null 2>&1 </dev/null || :
  done <<EOF
$BOXES
EOF
  while read -r _name _image; do
    if [ -z "$_name" ] || wanted "$_image"; then continue; fi
    DID=yes
    docker rmi "$NAMES:$_name" >/dev/null 2>&1 </dev/null || :
  done <<EOF
$TAGS
EOF
}

main() {
  while read -r key a; do
    case $key in
      owner) un64 OWNER "$a" ;;
      image)
        un64 _w "$a"
        case ${_w#sha256:} in "$_w" | *[!0-9a-f]* | '') fail bad_request "not an image id: '$_w'" ;; esac
        WANT="$WANT $_w"
        ;;
      *) tag_key "$key" "$a" ;;
    esac
  done
  is_operation "$OWNER" || fail bad_request "not the name of a holder: '$OWNER'"
  if [ -n "$FENCE" ]; then
    check_tag
    admit
  fi
  docker_up || fail docker_down "docker.service is $DOWN"
  images
  seen
  if [ -n "$FENCE" ]; then
    keep
    let_go
    drop 9 "$S/lock"
    if [ -n "$DID" ]; then seen; fi
  fi
  for _w in $WANT; do
    if boxed "$_w" && tagged "$_w"; then HELD="$HELD$_w$NL"
    elif is_here "$_w"; then MISSING="$MISSING$_w$NL"
    else GONE="$GONE$_w$NL"; fi
  done
  while read -r _name _image; do
    if [ -n "$_name" ] && ! wanted "$_image"; then EXTRA="$EXTRA$_image$NL"; fi
  done <<EOF
$BOXES
$TAGS
EOF
  reply "{\"held\":\"$(text64 "$HELD")\",\"missing\":\"$(text64 "$MISSING")\",\"gone\":\"$(text64 "$GONE")\",\"extra\":\"$(text64 "$EXTRA")\",\"why\":\"$(text64 "$WHY")\"}"
}
