FAILED='' UNTAGGED=''

# hush: the messages of compose without what it quotes from the file, which may be a secret.
hush() {
  awk '{ gsub(/`[^`]*`/, "`...`") }
    match($0, /nvalid interpolation format for [^ ]*/) { print substr($0, 1, RSTART + RLENGTH - 1) " (the rest quotes the file)"; exit }
    { print }'
}

# compose FILE config | compose FILE up SERVICE, with FILE for $file in the list of all files.
compose() {
  _file=$1 _verb=$2 _service=${3-}
  set -- compose -p "$project" --project-directory "$workdir"
  # The first file comes before the others in the request.
  while read -r _key _a _rest <&3; do
    case $_key in file | more | env) un64 A "$_a" ;; *) continue ;; esac
    if [ "$_key" = env ]; then set -- "$@" --env-file "$A"
    elif [ "$A" = "$file" ]; then set -- "$@" -f "$_file"
    else set -- "$@" -f "$A"; fi
  done 3<"$D/request"
  case $_verb in
    config) set -- "$@" config -q ;;
    up) set -- "$@" up -d --no-deps --pull never --no-build "$_service" ;;
  esac
  _rc=0
  docker "$@" >"$D/out" 2>&1 || _rc=$?
  hush <"$D/out"
  rm -f "$D/out"
  return "$_rc"
}

# The project folder is what the containers say; relative paths in the file start there. It is remembered, for the
# moment when no container is left.
find_workdir() {
  if [ -z "$workdir" ] && container "$B" && [ -n "$C_DIR" ]; then workdir=$C_DIR; fi
}
set_workdir() {
  workdir=
  each service find_workdir
  _k=$S/workdir.$project
  if [ -n "$workdir" ]; then printf '%s\n' "$workdir" >"$_k"
  elif [ -s "$_k" ]; then read -r workdir <"$_k" || :
  else workdir=${file%/*}; fi
  workdir=${workdir:-/}
}

# On the way back what fails before the containers is remembered, and what keeps its container comes up all the same: better
# than an outage. Going forward it ends the job.
give_up() {
  [ "$KIND" = restore ] || finish failed "$1"
  FAILED=${FAILED:-$1}
  return 1
}

tag_one() {
  _id=$(docker image inspect --format '{{.ID}}' "$B" 2>/dev/null) || _id=
  if [ "$_id" = "$A" ]; then return 0; fi
  still_ours
  say "tag $A $B"
  docker tag "$A" "$B" || { UNTAGGED=yes; give_up tag_failed; }
}

write_failed() {
  cat "$D/err"
  rm -f "$tmp"
  say "$1"
  if no_space "$D/err"; then give_up no_space; else give_up "$2"; fi
}

# swap: the file says `from`; makes it say `to`, or leaves it as it is.
swap() {
  tmp=$dir/.$base.geusemaker
  if [ "$(sha_of "$S/files/$from")" != "$from" ]; then
    { cat "$P" >"$S/files/.copy" && durable "$S/files/.copy"; } 2>"$D/err" || { write_failed "no copy could be kept" no_backup; return; }
    [ "$(sha_of "$S/files/.copy")" = "$from" ] || { say "the file changed while it was copied"; give_up file_changed; return; }
    mv -f "$S/files/.copy" "$S/files/$from" 2>"$D/err" || { write_failed "no copy could be kept" no_backup; return; }
  fi
  [ "$(sha_of "$S/files/$to")" = "$to" ] || { say "no copy with SHA-256 $to on the host"; give_up no_backup; return; }
  rm -f "$tmp"
  # cp -p for mode and owner, then the new text into it.
  { cp -p "$P" "$tmp" && cat "$S/files/$to" >"$tmp" && durable "$tmp"; } 2>"$D/err" || { write_failed "cannot write beside $file" write_failed; return; }
  [ "$(sha_of "$tmp")" = "$to" ] || { : >"$D/err"; write_failed "what was written does not read back" write_failed; return; }
  if ! compose "${tmp#"$root"}" config; then
    # A text that has been here before goes back even so: the file as it was is better than the new one.
    if [ "$text" = kept ]; then say "compose does not take the kept file; it is put back all the same"
    else rm -f "$tmp"; give_up bad_compose; return; fi
  fi
  still_ours
  [ "$(sha_of "$P")" = "$from" ] || { rm -f "$tmp"; say "the file changed in between"; give_up file_changed; return; }
  mv -f "$tmp" "$P" 2>"$D/err" || { write_failed "cannot replace $file (a mount of its own?)" write_failed; return; }
  [ "$(sha_of "$P")" = "$to" ] || { say "$file does not read back"; give_up write_failed; return; }
  say "$file written"
}

# The files one by one. Before the first is written each is looked at.
files() {
  phase=$1
  "$phase"
  each more another
  first_file
}
first_file() {
  value file; file=$A
  value from; from=$A
  value to; to=$A
}
another() {
  file=$A from=$B to=$C
  "$phase"
}

find_file() {
  case $file in /*) ;; *) say "not an absolute path"; give_up bad_compose; return ;; esac
  root=$R P=$R$file
  if [ -L "$P" ]; then
    root=$(readlink -f "${R:-/}")
    root=${root%/}
    P=$(readlink -f "$P") || P=
    case $P in "$root"/*) ;; *) say "$file is a link that leads nowhere"; give_up bad_compose; return ;; esac
  fi
  dir=${P%/*} base=${P##*/}
}

check_file() {
  find_file || return 0
  now=$(sha_of "$P")
  case $now in
    "$to" | "$from") ;;
    *)
      # On the way back what keeps its container comes up all the same: better than an outage.
      [ "$text" != kept ] || say "left as it is:"
      say "$file has SHA-256 ${now:-none (not a file)}; expected $from or $to"
      [ "$text" = kept ] || finish failed file_changed
      FAILED=file_changed ;;
  esac
}

write_file() {
  find_file || return 0
  case $(sha_of "$P") in
    "$to") say "$file is as wanted" ;;
    "$from") swap ;;
    *) [ "$text" = kept ] || { say "$file changed in between"; finish failed file_changed; } ;;
  esac
}

# A file that stays is nobody's business here: containers are started whatever it says by now.
file_phase() {
  if [ "$text" != keep ]; then files check_file; fi
  each tag tag_one
  # It says the new images as long as a reference cannot mean the old one again.
  if [ "$text" != keep ] && [ -z "$UNTAGGED" ]; then files write_file; fi
}

# Compose makes the new container beside the old one, removes the old one, and then gives it its name. Where it was cut
# off in between, it goes by the beginning of the old one's id: the next one could not take that name, or would leave it so.
# Beside the old one it is removed. One that runs is not removed by this.
half_made() {
  still_ours
  if docker rm "$(printf %.12s "$C_ID")_$_c" 2>/dev/null; then say "$_s: removed what was made by half"; fi
}

# Without the old one it alone has the anonymous volumes that were the old one's: it gets the name, and `up` goes on from there.
half_named() {
  for _h in $(docker ps -aq --no-trunc | xargs docker inspect --type container --format '{{.Name}}' 2>/dev/null); do
    _h=${_h#/} _o=${_h%"_$_c"}
    case $_o in "$_h" | *[!0-9a-f]*) continue ;; esac
    [ "${#_o}" = 12 ] || continue
    still_ours
    say "$_s: $_h was made by half"
    docker rename "$_h" "$_c"
    return
  done
}

# A is the service, B its container, C the image id that it is to run.
service_one() {
  _s=$A _c=$B _i=$C _rc=0
  container "$_c" || _rc=$?
  if [ "$_rc" = 2 ]; then FAILED=${FAILED:-start_failed}; return 0; fi
  if [ "$_rc" = 0 ] && [ "$C_IMAGE" = "$_i" ]; then
    case $C_STATUS in
      running | restarting) say "$_s: kept" ;;
      *)
        still_ours
        say "$_s: start"
        docker start "$_c" || FAILED=${FAILED:-start_failed}
        ;;
    esac
    [ "$KIND" != restore ] || half_made
    return 0
  fi
  # After a failure nothing more is made anew, but what keeps its container still comes up.
  if [ -n "$FAILED" ]; then say "$_s: left, after the failure"; return 0; fi
  still_ours
  if [ "$_rc" = 0 ]; then half_made
  elif ! half_named; then FAILED=up_failed; return 0; fi
  say "$_s: up"
  if ! compose "$file" up "$_s"; then FAILED=up_failed; return 0; fi
  if container "$_c" && [ "$C_IMAGE" != "$_i" ]; then
    say "$_s: runs $C_IMAGE, expected $_i"
    FAILED=up_failed
  fi
}

policy_one() {
  case $B in '' | *[!a-z0-9:-]*) say "not a restart policy"; FAILED=${FAILED:-start_failed}; return 0 ;; esac
  # What quiesce kept is more exact (on-failure:3).
  if [ -s "$S/policies/$A" ]; then return 0; fi
  # Only its name is known here: said again over itself, on-failure:3 would lose its limit.
  _now=$(docker inspect --type container --format '{{.HostConfig.RestartPolicy.Name}}' "$A" 2>/dev/null) || return 0
  [ "$_now" != "${B%%:*}" ] || return 0
  put_policy
}
put_policy() {
  _rc=0
  container "$A" || _rc=$?
  if [ "$_rc" = 1 ]; then return 0; fi
  still_ours
  [ "$_rc" = 0 ] && docker update --restart="$B" "$A" || { FAILED=${FAILED:-start_failed}; return 1; }
}

# Where the engine was restarted meanwhile, what was looked at before may be down: one with `on-failure` that ended well
# does not come up with it.
containers_phase() {
  if [ "$start" = yes ]; then each service service_one; fi
  each policy policy_one
  for f in "$S/policies"/*; do
    [ -s "$f" ] || continue
    A=${f##*/}
    read -r B <"$f" || :
    # One that could not be put back is there for the next try.
    if put_policy; then rm -f "$f"; fi
  done
}

job_apply() {
  value project; project=$A
  first_file
  value textis; text=$A
  value start; start=$A
  is_name "$project" || { say "not a project name"; finish failed bad_compose; }
  need_docker
  hands
  restore_begin
  set_workdir
  file_phase
  for _round in 1 2 3; do
    SINCE=$(engine_since)
    containers_phase
    if [ -n "$FAILED" ]; then finish failed "$FAILED"; fi
    if [ "$start" != yes ] || [ "$(engine_since)" = "$SINCE" ]; then _round=over; break; fi
    say "docker was restarted meanwhile: once more"
  done
  [ "$_round" = over ] || finish failed start_failed
  restore_end
  finish 'done'
}
