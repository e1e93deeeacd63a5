# Run on a real instance after its first boot: the stack comes up from its disk, and is waited for.
set -eu
until docker info >/dev/null 2>&1; do sleep 0.05; done
# One with `on-failure` that ended well before does not come up by itself.
docker start crawl4ai >/dev/null
all=$(docker ps -aq)
status() {
  # shellcheck disable=SC2086
  docker inspect --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}' $all
}
until [ "$(status | sort -u)" = "running healthy" ]; do sleep 0.3; done
