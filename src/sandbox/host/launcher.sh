# Makes the host's folder the root of everything, in namespaces of its own, and stays as their first process.
# It ends, and all with it, when its standard input does.
#   $1 the host's folder   $2 the program   $3 the sandbox's folder   $4 the file system's folder below $1
# Prints `ready PID yes|no`: its process id outside, and whether a mount that hangs could be made.
set -eu
root=$1
# proc is still the one outside.
read -r pid _ </proc/self/stat
mount --bind "$root" "$root"
cd "$root"
readonly_bind() {
  mount --rbind "$1" "$2"
  mount -o remount,bind,ro "$2"
}
for d in usr bin sbin lib lib32 lib64 libx32 nix gnu etc/alternatives; do
  if [ -L "/$d" ]; then
    [ -L "$d" ] || ln -s "$(readlink "/$d")" "$d"
  elif [ -d "/$d" ]; then
    mkdir -p "$d"
    readonly_bind "/$d" "$d"
  fi
done
if [ -f /etc/ld.so.cache ]; then
  : >etc/ld.so.cache
  readonly_bind /etc/ld.so.cache etc/ld.so.cache
fi
for d in null zero full random urandom; do
  [ -e "dev/$d" ] || : >"dev/$d"
  mount --bind "/dev/$d" "dev/$d"
done
: >.geusemaker/program
readonly_bind "$2" .geusemaker/program
mount --bind "$3" .geusemaker/sandbox
if [ -n "$4" ]; then readonly_bind "$root/.efs/$4" .efs/readonly; fi
# A FUSE file system that nobody serves: every look at it blocks, as at a dead hard NFS mount.
hangs=no
if [ -r /dev/fuse ] && [ -w /dev/fuse ] && exec 5<>/dev/fuse &&
  mount -n -i -t fuse -o fd=5,rootmode=40000,user_id=0,group_id=0 hang .efs/hang 2>/dev/null; then
  hangs=yes
fi
mkdir -p .outside
pivot_root . .outside
cd /
umount -n -l /.outside
rmdir /.outside
exec 3<&0
cat <&3 >/dev/null &
echo "ready $pid $hangs"
exec >/dev/null 2>&1 5<&-
# Also takes leave of every orphan.
wait $!
