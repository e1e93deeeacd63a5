#!/bin/sh
# In front of a program on a real instance: counts what scripts and jobs of ours do with effect, and kills who does it at the call
# that /srv/force/at names: WHO K PHASE HOW, with
#   WHO    script | pull | quiesce | apply | restore | itself | tick
#   PHASE  before | after that call, or request: the harness kills, at a request to the engine (proxy.rs)
#   HOW    group | unit; engine: nobody is killed, the engine is restarted; plug | off: it waits, and the harness takes the power away
name=${0##*/} real=/usr/bin/${0##*/} here=/srv/force

case "$name $*" in
  'docker pull '* | 'docker tag '* | 'docker stop '* | 'docker start '* | 'docker update '* | 'docker create '*) ;;
  'docker rm '* | 'docker rmi '* | 'docker rename '* | 'docker compose '*' up '* | 'mv '* | 'ln '* | 'systemd-run '* | 'systemctl enable '* | 'systemctl disable '* | 'systemctl daemon-reload'*) ;;
  *) exec "$real" "$@" ;;
esac

# Whose call it is.
caller=$(tr '\0' ' ' <"/proc/$PPID/cmdline")
case $caller in
  *_script.sh*) who=script ;;
  *'restore.sh tick'*) who=tick ;;
  *' /var/lib/geusemaker/ops/'*)
    record=/var/lib/geusemaker/ops/${caller#*/ops/}
    record=${record%% *}
    if [ -e "$record/itself" ]; then who=itself
    else
      case $(grep '^kind ' "$record/request") in
        'kind cHVsbA==') who=pull ;;
        'kind cXVpZXNjZQ==') who=quiesce ;;
        'kind YXBwbHk=') who=apply ;;
        'kind cmVzdG9yZQ==') who=restore ;;
        *) exec "$real" "$@" ;;
      esac
    fi
    ;;
  *) exec "$real" "$@" ;;
esac

# A heartbeat comes by the clock.
words() { cut -d' ' -f1-4 "$1" 2>/dev/null; }
case "$name $*" in
  *restore/.state*) if [ "$(words /var/lib/geusemaker/restore/.state)" = "$(words /var/lib/geusemaker/restore/state)" ]; then exec "$real" "$@"; fi ;;
esac

exec 5>>"$here/lock"
flock 5
n=0
{ read -r n <"$here/n.$who"; } 2>/dev/null
n=$((n + 1))
printf '%s\n' "$n" >"$here/n.$who"
printf '%s %s: %s %s\n' "$who" "$n" "$name" "$*" >>"$here/log"
at='' k='' phase='' how=''
{ read -r at k phase how <"$here/at"; } 2>/dev/null
if [ "$at $k" != "$who $n" ]; then
  exec 5>&-
  exec "$real" "$@"
fi
rm -f "$here/at"
exec 5>&-
strikes() { printf 'struck %s\n' "$how" >>"$here/log"; }

case $phase in
  after)
    code=0
    "$real" "$@" || code=$?
    ;;
  request)
    read -r stat </proc/self/stat
    # After the name: state, parent, group.
    # shellcheck disable=SC2086
    set -- ${stat##*) } -- "$@"
    printf '%s\n' "$3" >"$here/group"
    while [ "$1" != -- ]; do shift; done
    shift
    exec env DOCKER_HOST="unix://$here/docker.sock" "$real" "$@"
    ;;
esac
strikes
case $how in
  engine)
    /usr/bin/systemctl restart docker
    if [ "$phase" = after ]; then exit "$code"; fi
    exec "$real" "$@"
    ;;
  unit)
    unit=$(sed -n 's,.*/\(geusemaker-[^/]*\.service\)$,\1,p' /proc/self/cgroup | head -n 1)
    # On a busy instance a job may have been started without one.
    if [ -z "$unit" ]; then kill -s KILL 0; fi
    /usr/bin/systemctl kill -s KILL --kill-who=all "$unit"
    sleep 10
    ;;
  plug | off) sleep 600 ;;
  *) kill -s KILL 0 ;;
esac
