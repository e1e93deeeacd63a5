# Run on a real instance with the path of a compose file: the file system of the deployment behind its mount point,
# Docker after it, and the stack up and green.
set -eu
cat >/etc/fstab <<FSTAB
fs-0a8d64c2e1f7b3590 /mnt/efs efs _netdev,tls,iam 0 0
FSTAB
mkdir -p /etc/systemd/system/docker.service.d
printf '[Unit]\nRequiresMountsFor=/mnt/efs\n' >/etc/systemd/system/docker.service.d/geusemaker-mount.conf
systemctl daemon-reload
systemctl start mnt-efs.mount
mkdir -p /opt/geusemaker/runtime
cd /opt/geusemaker/runtime
cp "$1" docker-compose.yml
printf 'POSTGRES_PASSWORD=s3cret\n' >runtime.env
until docker info >/dev/null 2>&1; do sleep 0.1; done
# One after another: the classic builder of this engine's store does not like five at once.
docker compose --env-file runtime.env pull -q
docker compose --env-file runtime.env up -d --quiet-pull --wait
