# What an `up` of services would apply besides their images: what Compose makes of them now, what their containers were
# made of, and what of that their images brought. Values are numbered, equal ones alike, and never leave the host.
ROW='x{{.Name}}	x{{index .Config.Labels "com.docker.compose.project"}}	{{index .Config.Labels "com.docker.compose.service"}} {{index .Config.Labels "com.docker.compose.oneoff"}}	{{.Image}}	x{{index .Config.Labels "com.docker.compose.project.config_files"}}	x{{index .Config.Labels "com.docker.compose.project.working_dir"}}	x{{index .Config.Labels "com.docker.compose.project.environment_file"}}'
OF_BOTH='{{range .Config.Env}}E {{json .}}
{{end}}{{range .Config.Cmd}}C {{json .}}
{{end}}{{range .Config.Entrypoint}}N {{json .}}
{{end}}{{range $k, $v := .Config.Labels}}L {{json $k}} {{json $v}}
{{end}}{{if .Config.Healthcheck}}{{range .Config.Healthcheck.Test}}H {{json .}}
{{end}}{{end}}J {"user":{{json .Config.User}},"working_dir":{{json .Config.WorkingDir}},"volumes":{{json .Config.Volumes}}'
MADE=$OF_BOTH',"id":{{json .ID}},"hostname":{{json .Config.Hostname}},"tty":{{json .Config.Tty}},"stdin_open":{{json .Config.OpenStdin}},"ports":{{json .HostConfig.PortBindings}},"restart":{{json .HostConfig.RestartPolicy}},"privileged":{{json .HostConfig.Privileged}},"read_only":{{json .HostConfig.ReadonlyRootfs}},"init":{{json .HostConfig.Init}},"cap_add":{{json .HostConfig.CapAdd}},"cap_drop":{{json .HostConfig.CapDrop}},"dns":{{json .HostConfig.DNS}},"extra_hosts":{{json .HostConfig.ExtraHosts}},"network_mode":{{json .HostConfig.NetworkMode}},"networks":[{{range $k, $v := .NetworkSettings.Networks}}{{json $k}},{{end}}null]}
{{range .Mounts}}M {{json .}}
{{end}}'

# Compose escapes a dollar and < > &, Docker does not. A line that is none of canonical JSON gives nothing away.
NUMBERED='
function number(s) {
  gsub(/\\u003c/, "<", s); gsub(/\\u003e/, ">", s); gsub(/\\u0026/, "\\&", s); gsub(/[$]+/, "$", s)
  if (!(s in seen)) seen[s] = ++last
  return "#" seen[s]
}
BEGIN { n = split("cap_add cap_drop container_name dns extra_hosts hostname init network_mode networks ports privileged read_only restart stdin_open tty user volumes working_dir", w, " "); while (n) open[w[n--]] = 1 }
/^@/ { part = $1; print; next }
part == "@config" {
  match($0, /[^ ]/); indent = RSTART - 1; body = substr($0, RSTART); key = name = end = ""
  if (match(body, /^"([^"\\]|\\.)*": /)) { key = substr(body, 1, RLENGTH); name = substr(key, 2, RLENGTH - 4); body = substr(body, RLENGTH + 1) }
  if (indent == 2) { top = name; inner = "" } else if (indent == 4) inner = ""; else if (indent == 6 && name != "") inner = name
  if (body ~ /,$/) { end = ","; body = substr(body, 1, length(body) - 1) }
  if (body ~ /^"([^"\\]|\\.)*"$/ || body ~ /^-?[0-9][0-9.eE+-]*$/) {
    plain = top == "name" || (top == "services" && inner in open) || ((top == "volumes" || top == "networks") && name == "name" && indent == 6)
    print substr($0, 1, indent) key (plain ? body : "\"" number(body) "\"") end
  } else if (body ~ /^(null|true|false|[]{}[]|[{][}]|\[\])$/) print
  else { print "@strange"; exit }
  next
}
/^E / { s = substr($0, 4, length($0) - 4); i = index(s, "="); print "E\t" (i ? substr(s, 1, i - 1) "\t" number("\"" substr(s, i + 1) "\"") : s "\t"); next }
/^L / { s = substr($0, 3); if (match(s, /^"([^"\\]|\\.)*" /)) print "L\t" substr(s, 2, RLENGTH - 3) "\t" number(substr(s, RLENGTH + 1)); next }
/^[CNH] / { print substr($0, 1, 1) "\t" number(substr($0, 3)); next }
/^[JM] / { print }'

# made: after containers. The first container says how Compose was called.
made() {
  _ids=$(docker ps -aq --no-trunc 2>/dev/null </dev/null) || return 0
  # shellcheck disable=SC2086
  _rows=$(docker inspect --type container --format "$ROW" $_ids 2>/dev/null </dev/null) || return 0
  CALLED='' _containers=''
  while IFS=$TAB read -r _n _p _s _i _fl _wd _ev; do
    if [ "$_p" != "x$PROJECT" ]; then continue; fi
    case $_s in *' True' | *' true') continue ;; esac
    case "$NL$SERVICES" in *"$NL${_s%% *}$NL"*) ;; *) continue ;; esac
    _containers="$_containers${_n#x/} ${_s%% *} $_i$NL"
    if [ -z "$CALLED" ]; then CALLED=yes _files=${_fl#x} _dir=${_wd#x} _envs=${_ev#x}; fi
  done <<EOF
$_rows
EOF
  [ -n "$CALLED" ] || return 0
  set -- compose -p "$PROJECT" --project-directory "$_dir"
  while [ -n "$_files" ]; do
    _f=${_files%%,*}
    case $_f in /*) ;; *) _f=$_dir/$_f ;; esac
    set -- "$@" -f "$_f"
    case $_files in *,*) _files=${_files#*,} ;; *) _files= ;; esac
  done
  while [ -n "$_envs" ]; do
    set -- "$@" --env-file "${_envs%%,*}"
    case $_envs in *,*) _envs=${_envs#*,} ;; *) _envs= ;; esac
  done
  set -- "$@" config --format json
  while read -r _s; do [ -z "$_s" ] || set -- "$@" "$_s"; done <<EOF
$SERVICES
EOF
  if _config=$(docker "$@" 2>/dev/null </dev/null); then printf '@config\n%s\n' "$_config"; else printf '@failed\n'; return 0; fi
  while read -r _n _s _i; do
    [ -n "$_n" ] || continue
    printf '@container %s\n' "$_s"
    _m=$(docker inspect --type container --format "$MADE" "$_n" 2>/dev/null </dev/null) || _m=@gone
    # Docker names the mounts in any order; a document that is read in slices must stay the same.
    printf '%s\n' "$_m" | grep -v '^M '
    printf '%s\n' "$_m" | grep '^M ' | sort
    printf '@image\n'
    docker image inspect --format "$OF_BOTH}" "$_i" 2>/dev/null </dev/null || printf '@gone\n'
  done <<EOF
$_containers
EOF
}
pending() {
  PENDING="\"$(made | awk "$NUMBERED" | b64)\""
}
