# mount: a mount point under a time limit; with a tag the sentinel is written first.
READ='o=$1 f=$2/.geusemaker/sentinel; if e=$( { cat -- "$f" >/dev/null; } 2>&1); then a=ok; else case $e in *"No such file"*) a=none;; *) a="error: ${e##*: }";; esac; fi; '$END
# Written beside and renamed; then read back.
WRITE='o=$1 d=$2/.geusemaker w=$2/.geusemaker/.sentinel.$4; if e=$( { mkdir -p -- "$d" && printf "%s\n" "$3" >"$w" && mv -f -- "$w" "$d/sentinel" && cat -- "$d/sentinel" >"$o.r"; } 2>&1); then r=; read -r r <"$o.r"; if [ "$r" = "$3" ]; then a=ok; else a=differs; fi; else a="error: ${e##*: }"; rm -f -- "$w"; fi; '$END

main() {
  POINT='' LIMIT=3 TOKEN='' WRITTEN=false
  while read -r key a; do
    case $key in
      point) un64 POINT "$a" ;;
      limit) un64 LIMIT "$a" ;;
      token) un64 TOKEN "$a" ;;
      *) tag_key "$key" "$a" ;;
    esac
  done
  is_number "$LIMIT" || fail bad_request "the limit must be a number of seconds"
  if [ -n "$FENCE" ]; then
    check_tag
    admit
    drop 9 "$S/lock"
  fi
  CONTAINERS=
  # Where Docker is down no container runs, and none sees anything.
  if docker_up; then containers; fi
  mount_facts "$POINT"
  scratch
  bounded "$LIMIT" "$STAT" "$R$POINT"
  STAT_SAYS=$ANSWER
  # What does not answer is not asked again; what is not mounted is not written to.
  if [ "$STAT_SAYS" = hangs ]; then SAYS=hangs
  elif [ -z "$FENCE" ]; then bounded "$LIMIT" "$READ" "$R$POINT"; SAYS=$ANSWER
  else
    case $MOUNT in
      *'"mountinfo":null'*) SAYS='error: not mounted' ;;
      *)
        bounded "$LIMIT" "$WRITE" "$R$POINT" "$TOKEN" "$FENCE.$SEQ"
        SAYS=$ANSWER
        if [ "$SAYS" = ok ]; then WRITTEN=true; fi
        ;;
    esac
  fi
  rm -rf "$T"
  reply "{\"containers\":\"$(text64 "$CONTAINERS")\",\"mount\":{$MOUNT,\"stat\":\"$(text64 "$STAT_SAYS")\",\"sentinel\":\"$(text64 "$SAYS")\",\"written\":$WRITTEN}}"
}
