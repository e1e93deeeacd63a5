job_pull() {
  need_docker
  value reference
  say "pull $A"
  if docker pull "$A"; then finish 'done'; fi
  if no_space "$D/log"; then finish failed no_space; fi
  finish failed pull_failed
}
