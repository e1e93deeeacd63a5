# look: everything, changing nothing. From the controller of an operation it pushes the deadline of its armed restore
# out, once: a document that is read in slices must stay the same.
ONLY_BOOT='' POINT='' LIMIT=3 REFS='' SERVICES='' PROJECT='' PENDING=null

# project_file PATH FOLDER: once.
project_file() {
  case $1 in
    '') return 0 ;;
    /*) _f=$1 ;;
    *) _f=$2/$1 ;;
  esac
  case $FILED in *"$NL$_f$NL"*) return 0 ;; esac
  FILED=$FILED$_f$NL
  # A file on a mount that does not answer would hang the script.
  if [ -n "$POINT" ] && [ "$STAT_SAYS" != answered ]; then
    case $_f in "$POINT"/*) return 0 ;; esac
  fi
  [ -f "$R$_f" ] && [ -r "$R$_f" ] || return 0
  [ "$(wc -c <"$R$_f")" -le 1048576 ] || return 0
  _t=$(b64 <"$R$_f")
  FILES="$FILES{\"path\":\"$(text64 "$_f")\",\"text\":\"$_t\"},"
}

project_files() {
  FILED=$NL
  _seen=$(printf '%s\n' "$CONTAINERS" | sed -n "s/^F \"\\([^\"\\\\][^\"\\\\]*\\)\" \"\\([^\"\\\\]*\\)\"\$/\\1$TAB\\2/p" | sort -u)
  FILES=
  while IFS=$TAB read -r _p _wd; do
    while [ -n "$_p" ]; do
      project_file "${_p%%,*}" "$_wd"
      case $_p in *,*) _p=${_p#*,} ;; *) _p= ;; esac
    done
  done <<EOF
$_seen
EOF
}

# The digests of the images that containers run; one that is gone is left out.
digests() {
  DIGESTS=
  _ids=$(printf '%s\n' "$CONTAINERS" | sed -n 's/^[0-9][0-9]* \(sha256:[0-9a-f]*\) .*/\1/p' | sort -u)
  [ -n "$_ids" ] || return 0
  # shellcheck disable=SC2086
  DIGESTS=$(docker image inspect --format '{{.ID}} {{json .RepoDigests}}' $_ids 2>/dev/null </dev/null) || :
}

# images: one look for each reference. Only "no such image" means absent.
images() {
  IMAGES=
  for _r in $REFS; do
    un64 _ref "$_r"
    if _l=$(docker image inspect --format '{"id":{{json .ID}},"digests":{{json .RepoDigests}},"architecture":{{json .Architecture}}}' "$_ref" 2>/dev/null </dev/null); then
      IMAGES="$IMAGES{\"ref\":\"$_r\",\"is\":\"$(text64 "$_l")\"},"
    else
      case $(docker image inspect --format '{{.ID}}' "$_ref" 2>&1 </dev/null) in
        *[Nn]o\ such\ image*) ;;
        *) docker_failed image inspect --format '{{.ID}}' "$_ref" ;;
      esac
    fi
  done
}

disk_free() {
  _d=$R${INFO#* }
  # In KiB; the field before the percentage, since a name may hold spaces.
  DISK=$(df -Pk "$_d" 2>/dev/null | awk 'NR > 1 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/ || $i == "-") { print $(i - 1); exit } }')
  is_number "$DISK" || DISK=$(stat -f -c '%a %S' "$_d" 2>/dev/null | awk '{ printf "%d", $1 * $2 / 1024 }')
  is_number "$DISK" || fail no_disk "neither df nor stat -f tell the free space of $_d"
  # In steps of 16 MiB: a document that changes from one slice to the next must be read again.
  DISK=$((DISK / 16384 * 16384))
}

main() {
  while read -r key a; do
    case $key in
      offset) un64 OFFSET "$a" ;;
      only_boot) ONLY_BOOT=yes ;;
      point) un64 POINT "$a" ;;
      limit) un64 LIMIT "$a" ;;
      ref) REFS="$REFS $a" ;;
      project) un64 PROJECT "$a" ;;
      service) un64 _s "$a"; SERVICES="$SERVICES$_s$NL" ;;
      operation | fence) tag_key "$key" "$a" ;;
    esac
  done
  is_number "$LIMIT" || LIMIT=3
  if [ "$OFFSET" = 0 ] && is_operation "$OPERATION" && is_number "$FENCE"; then far_beat; fi
  restore_line
  DOC="\"boot\":\"$(text64 "$(boot_id)")\",\"machine\":\"$(text64 "$(uname -m)")\",\"restore\":\"$(text64 "$LINE")\""
  if [ -n "$ONLY_BOOT" ]; then reply "{$DOC}"; fi
  docker_up || fail docker_down "docker.service is $DOWN"
  _f='{{.ServerVersion}} {{.DockerRootDir}}'
  INFO=$(docker info --format "$_f" 2>/dev/null </dev/null) || docker_failed info --format "$_f"
  if compose=$(docker compose version --short 2>/dev/null </dev/null); then compose="\"$(text64 "$compose")\""; else compose=null; fi
  disk_free
  containers
  MOUNT='' STAT_SAYS=''
  if [ -n "$POINT" ]; then
    scratch
    bounded "$LIMIT" "$STAT" "$R$POINT"
    STAT_SAYS=$ANSWER
    rm -rf "$T"
    mount_facts "$POINT"
    MOUNT=",\"mount\":{$MOUNT,\"stat\":\"$(text64 "$STAT_SAYS")\",\"sentinel\":\"\",\"written\":false}"
  fi
  project_files
  # Compose reads the files, which may lie on a mount that does not answer.
  if [ -n "$SERVICES" ] && { [ -z "$POINT" ] || [ "$STAT_SAYS" = answered ]; }; then pending; fi
  digests
  images
  reply "{$DOC,\"docker\":\"$(text64 "${INFO%% *}")\",\"compose\":$compose,\"disk_kib\":$DISK,\"containers\":\"$(text64 "$CONTAINERS")\",\"files\":[${FILES}null],\"digests\":\"$(text64 "$DIGESTS")\",\"images\":[${IMAGES}null],\"pending\":$PENDING$MOUNT}"
}
