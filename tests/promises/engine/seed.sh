# Run on a real instance by the tests: the file system of the deployment behind its mount point, Docker after it, and
# a stack of five that is up and green.
set -eu
cat >/etc/fstab <<FSTAB
fs-0a8d64c2e1f7b3590 /mnt/efs efs _netdev,tls,iam 0 0
FSTAB
mkdir -p /etc/systemd/system/docker.service.d
printf '[Unit]\nRequiresMountsFor=/mnt/efs\n' >/etc/systemd/system/docker.service.d/geusemaker-mount.conf
systemctl daemon-reload
systemctl start mnt-efs.mount
cd /opt/geusemaker/runtime
until docker info >/dev/null 2>&1; do sleep 0.1; done
# One after another: the classic builder of this engine's store does not like five at once.
docker compose --env-file runtime.env pull -q
docker compose --env-file runtime.env up -d --quiet-pull --wait
