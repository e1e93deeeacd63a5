# What look and mount share: containers, mounts, and probes that cannot hang the script.
T=''

docker_failed() { fail docker_failed "docker $1: $(docker "$@" 2>&1 >/dev/null </dev/null | tail -n 3 | tail -c 600)"; }

# Lines of a container: `PID IMAGE JSON`; `F` with files and folder of its project for the shell; `B ID [FROM, AT]`
# for each bind, sorted, since Docker names them in any order and a document read in slices must stay the same. Only what is
# needed: the environment of a container is never asked for. The health log only where it is not healthy.
FORMAT='{{.State.Pid}} {{.Image}} {"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Config.Image}},"image_id":{{json .Image}},"status":{{json .State.Status}},"exit_code":{{json .State.ExitCode}},"started_at":{{json .State.StartedAt}},"pid":{{json .State.Pid}},"restarts":{{json .RestartCount}},"policy":{{json .HostConfig.RestartPolicy.Name}},"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}null{{end}},"health_log":{{$l := ""}}{{if .State.Health}}{{if ne .State.Health.Status "healthy"}}{{range .State.Health.Log}}{{$l = .Output}}{{end}}{{end}}{{end}}{{json (printf "%.1000s" $l)}},"labels":{"project":{{json (index .Config.Labels "com.docker.compose.project")}},"service":{{json (index .Config.Labels "com.docker.compose.service")}},"files":{{json (index .Config.Labels "com.docker.compose.project.config_files")}},"dir":{{json (index .Config.Labels "com.docker.compose.project.working_dir")}},"env":{{json (index .Config.Labels "com.docker.compose.project.environment_file")}},"depends_on":{{json (index .Config.Labels "com.docker.compose.depends_on")}},"oneoff":{{json (index .Config.Labels "com.docker.compose.oneoff")}}}}
F {{printf "%q" (index .Config.Labels "com.docker.compose.project.config_files")}} {{printf "%q" (index .Config.Labels "com.docker.compose.project.working_dir")}}
{{range .Mounts}}{{if eq .Type "bind"}}B {{$.ID}} [{{json .Source}},{{json .Destination}}]
{{end}}{{end}}'

# containers: sets CONTAINERS. One that goes away between the list and the look is not an error: list again.
containers() {
  CONTAINERS=
  for _try in 1 2 3; do
    _ids=$(docker ps -aq --no-trunc 2>/dev/null </dev/null) || docker_failed ps -aq --no-trunc
    [ -n "$_ids" ] || return 0
    # shellcheck disable=SC2086
    CONTAINERS=$(docker inspect --type container --format "$FORMAT" $_ids 2>/dev/null </dev/null) &&
      CONTAINERS=$(printf '%s\n' "$CONTAINERS" | sort) && return 0
  done
  # shellcheck disable=SC2086
  docker_failed inspect --type container --format "$FORMAT" $_ids
}

scratch() {
  for _d in "$R/run" "$R/tmp" "$R/var/tmp"; do
    if T=$(mktemp -d "$_d/geusemaker.XXXXXX" 2>/dev/null); then return 0; fi
  done
  fail no_scratch "no folder for temporary files: $R/run, $R/tmp and $R/var/tmp cannot be written"
}

# bounded SECONDS BODY ARG…: runs BODY (a constant) in a session of its own with no descriptor of ours, and looks
# for its answer in a file. It is never waited for: on a dead mount it cannot be killed. What can be is ended. ANSWER is
# what it wrote.
PROBE=0
bounded() {
  _limit=$(($1 * 1000)) _body=$2
  shift 2
  PROBE=$((PROBE + 1))
  apart "$_body" probe "$T/$PROBE" "$@"
  NAPPED=0
  until [ -e "$T/$PROBE" ]; do
    if [ "$NAPPED" -ge "$_limit" ]; then
      end_apart "$STARTED"
      ANSWER=hangs
      return 0
    fi
    nap
  done
  ANSWER=
  read -r ANSWER <"$T/$PROBE" || :
}

END='printf "%s\n" "$a" >"$o.w" && mv "$o.w" "$o"'
# stat -f as well: NFS may answer a plain stat from its cache. -L: the point may be a link.
STAT='o=$1; if e=$(stat -L -- "$2" 2>&1 >/dev/null && stat -f -- "$2" 2>&1 >/dev/null); then a=answered; else a="error: ${e##*: }"; fi; '$END

# The lines of a table whose field N is the mount point, with the octal escapes of the kernel undone.
DECODE='function dec(s, o) { o = ""; while (match(s, /\\[0-7][0-7][0-7]/)) { o = o substr(s, 1, RSTART - 1) sprintf("%c", substr(s, RSTART + 1, 1) * 64 + substr(s, RSTART + 2, 1) * 8 + substr(s, RSTART + 3, 1)); s = substr(s, RSTART + 4) } s = o s; if (length(s) > 1) sub(/\/+$/, "", s); return s "" } '

# mount_facts POINT: all that is known about it without touching the file system itself.
mount_facts() {
  _m=null
  if [ -r "$R/proc/self/mountinfo" ]; then
    _l=$(POINT=$1 awk "$DECODE"'dec($5) == (ENVIRON["POINT"] "") { l = $0 } END { if (l != "") print l }' "$R/proc/self/mountinfo")
    if [ -n "$_l" ]; then _m="\"$(text64 "$_l")\""; fi
  fi
  _f=
  if [ -r "$R/etc/fstab" ]; then
    _f=$(POINT=$1 awk "$DECODE"'$1 !~ /^#/ && dec($2) == (ENVIRON["POINT"] "")' "$R/etc/fstab")
  fi
  # Mount points of fstab at which nothing is mounted; swap and noauto lines have none or want none.
  _u=null
  if [ -r "$R/proc/self/mountinfo" ] && [ -r "$R/etc/fstab" ]; then
    _l=$(awk "$DECODE"'FNR == NR { there[dec($5)] = 1; next }
      $1 !~ /^#/ && $2 ~ /^\// && $4 !~ /(^|,)noauto(,|$)/ && !(dec($2) in there) { print dec($2) }' "$R/proc/self/mountinfo" "$R/etc/fstab")
    _u="\"$(text64 "$_l")\""
  fi
  _q=null
  if [ "$REQUIRES" != - ]; then _q="\"$(text64 "$REQUIRES")\""
  elif _l=$(systemctl show docker.service -p Requires --value 2>/dev/null </dev/null); then _q="\"$(text64 "$_l")\""; fi
  _e=
  for _n in "$R"/var/run/efs/fs-*; do
    if [ -f "$_n" ]; then _e="$_e${_n##*/}
"; fi
  done
  # What each running container sees, after its PID; the kernel's own mounts are left out to keep it short. No program
  # is started for it: there may be many containers.
  _in=
  for _p in $(printf '%s\n' "$CONTAINERS" | sed -n 's/^\([1-9][0-9]*\) sha256:.*/\1/p'); do
    [ -r "$R/proc/$_p/mountinfo" ] || continue
    {
      while read -r _i _up _dev _from _at _rest; do
        _type=${_rest#* - }
        case $_at:${_type%% *} in
          /:* | *:proc | *:sysfs | *:devpts | *:mqueue | *:cgroup | *:cgroup2) continue ;;
          /dev:tmpfs | /dev/*:tmpfs | /proc:tmpfs | /proc/*:tmpfs | /sys:tmpfs | /sys/*:tmpfs) continue ;;
        esac
        _in="$_in$_p $_i $_up $_dev $_from $_at $_rest$NL"
      done <"$R/proc/$_p/mountinfo"
    } 2>/dev/null || :
  done
  MOUNT="\"point\":\"$(text64 "$1")\",\"mountinfo\":$_m,\"fstab\":\"$(text64 "$_f")\",\"unmounted\":$_u,\"requires\":$_q,\"efs\":\"$(text64 "$_e")\",\"inside\":\"$(text64 "$_in")\""
}
