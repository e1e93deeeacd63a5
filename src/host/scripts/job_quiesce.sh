# Policies that bring a container up after a boot although it was stopped by hand: always, and on-failure after a
# non-zero end. One that is to come up with the boot (C) needs the first. What they were is kept on the host until apply
# puts it back.
over_a_boot() {
  is_name "$A" || { say "not a container name"; finish failed stop_failed; }
  case $C:$B in
  up:always) return 0 ;;
  up:unless-stopped) _until=always ;;
  *:always | *:on-failure*) _until=no ;;
  *) return 0 ;;
  esac
  container "$A" || return 0
  _policy=$B
  if [ "$B" = on-failure ]; then
    _policy=$(docker inspect --type container --format '{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}' "$A" 2>/dev/null) || _policy=on-failure
    case $_policy in *:0) _policy=${_policy%:0} ;; no:* | :*) _policy=on-failure ;; esac
  fi
  if [ ! -s "$S/policies/$A" ]; then
    printf '%s\n' "$_policy" >"$S/policies/.new" && durable "$S/policies/.new" && mv -f "$S/policies/.new" "$S/policies/$A" ||
      { say "cannot write $S/policies"; finish failed stop_failed; }
  fi
  still_ours
  docker update --restart="$_until" "$A" || finish failed stop_failed
}

stop_one() {
  _rc=0
  container "$A" || _rc=$?
  case $_rc in 1) say "$A is not there"; return 0 ;; 2) finish failed stop_failed ;; esac
  case $C_STATUS in exited | created | dead) return 0 ;; esac
  still_ours
  say "stop $A"
  docker stop "$A" || finish failed stop_failed
}

job_quiesce() {
  need_docker
  hands
  each container over_a_boot
  each container stop_one
  finish 'done'
}
