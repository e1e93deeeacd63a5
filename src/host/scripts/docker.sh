DOWN='' REQUIRES=-

# Asking a Docker that is down would start it through its socket, before its mount is there. REQUIRES for mount_facts
# comes with it.
docker_up() {
  _st=$(systemctl show docker.service -p LoadState -p ActiveState -p Requires 2>/dev/null </dev/null) || return 0
  case "$NL$_st" in *"${NL}Requires="*) REQUIRES=${_st#*Requires=} REQUIRES=${REQUIRES%%"$NL"*} ;; esac
  case $_st in *LoadState=loaded*) ;; *) return 0 ;; esac
  case $_st in *ActiveState=active* | *ActiveState=reloading*) return 0 ;; esac
  DOWN=${_st#*ActiveState=} DOWN=${DOWN%%[!a-z]*}
  return 1
}

# Since when this engine runs; nothing where nobody knows.
engine_since() { systemctl show docker.service -p ActiveEnterTimestampMonotonic 2>/dev/null </dev/null || :; }
