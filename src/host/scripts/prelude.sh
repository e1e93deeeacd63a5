# Shared by every verb and by the jobs. POSIX sh, coreutils, sed, awk; nothing of the user's is text here.
# shellcheck shell=sh disable=SC2015,SC2016,SC2034,SC2154,SC2317
# (A && B || C is meant; programs of awk and docker are in single quotes; un64 sets variables by name.)
set -u
umask 077
LC_ALL=C
export LC_ALL
R=${GEUSEMAKER_ROOT:-}
S=$R/var/lib/geusemaker
SH=${GEUSEMAKER_SH:-/bin/sh}
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
# Docker keeps its registry logins and plug-ins under HOME, which a service does not have.
HOME=${HOME:-$R/root}
export HOME
TAB=$(printf '\t')
NL='
'
NAPPED=0

have() { command -v "$1" >/dev/null 2>&1; }

# Sleeps a little and counts the milliseconds. Not every sleep knows fractions.
nap() {
  if [ "$NAPPED" -lt 200 ] && sleep 0.02 2>/dev/null; then NAPPED=$((NAPPED + 20))
  elif sleep 0.1 2>/dev/null; then NAPPED=$((NAPPED + 100))
  else sleep 1; NAPPED=$((NAPPED + 1000)); fi
}

# apart BODY NAME FILE ARG…: runs BODY (a constant) in a session of its own with no descriptor of ours; STARTED is its
# number. In a shell of its own, so that no shell says of what is ended that it was.
apart() {
  # shellcheck disable=SC2086
  STARTED=$(setsid $SH -c "$@" </dev/null >/dev/null 2>&1 9>&- & printf %s "$!")
}

# Ends what was started apart, and all that it began.
end_apart() { kill -s KILL -- "-$1" 2>/dev/null || :; }

b64() { base64 | tr -d '\n'; }
# Each program costs a millisecond, and an update makes thousands of these: tr only for a long text.
text64() {
  [ -n "$1" ] || return 0
  _t=$(printf %s "$1" | base64)
  if [ "${#_t}" -gt 2000 ]; then printf %s "$_t" | tr -d '\n'; return 0; fi
  while :; do
    case $_t in *"$NL"*) _t=${_t%%"$NL"*}${_t#*"$NL"} ;; *) break ;; esac
  done
  printf %s "$_t"
}

BASE64=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/
# un64 NAME BASE64: sets NAME to the text, its last newlines included. `-` is the empty text. A short one, and most
# are, is decoded without a program: four characters are three bytes, written as octal.
un64() {
  if [ "$2" = - ]; then _v=x
  elif [ "${#2}" -gt 120 ]; then _v=$(printf %s "$2" | base64 -d 2>/dev/null; printf x)
  else
    _u=$2 _ue=
    while [ -n "$_u" ]; do
      _un=0 _up=
      for _ui in 1 2 3 4; do
        _uc=${_u%"${_u#?}"} _u=${_u#?}
        case $_uc in '' | =) _uc='' _up=x$_up ;; *) _uc=${BASE64%%"$_uc"*} ;; esac
        _un=$((_un * 64 + ${#_uc}))
      done
      _ub=\\$((_un >> 22 & 3))$((_un >> 19 & 7))$((_un >> 16 & 7))
      _uc=\\$((_un >> 14 & 3))$((_un >> 11 & 7))$((_un >> 8 & 7))
      case $_up in
        '') _ue=$_ue$_ub$_uc\\$((_un >> 6 & 3))$((_un >> 3 & 7))$((_un & 7)) ;;
        x) _ue=$_ue$_ub$_uc ;;
        *) _ue=$_ue$_ub ;;
      esac
    done
    # shellcheck disable=SC2059
    _v=$(printf "${_ue}x")
  fi
  eval "$1=\${_v%x}"
}

boot_id() {
  _b=
  { read -r _b <"$R/proc/sys/kernel/random/boot_id"; } 2>/dev/null || :
  printf %s "$_b"
}

sha_of() {
  [ -f "$1" ] || return 0
  _s=$(sha256sum <"$1" 2>/dev/null) || return 0
  printf %s "${_s%% *}"
}

is_number() { case $1 in '' | *[!0-9]* | ???????????????????*) return 1 ;; esac; }
is_name() { case $1 in '' | [!a-zA-Z0-9]* | *[!a-zA-Z0-9_.-]*) return 1 ;; esac; }

# Syncs one file; what failed is not on the disk. Plain `sync` would also wait for a mount that hangs. A dd that does not know
# the word, and a file system that knows no such call, say nothing of it.
durable() {
  _ds=$(dd if=/dev/null of="$1" conv=notrunc,fsync 2>&1) && return 0
  case $_ds in *"nvalid argument 'fsync'"* | *'nvalid conversion'* | *': Invalid argument'*) return 0 ;; esac
  printf '%s\n' "${_ds%%"$NL"*}" >&2
  return 1
}

# take FD FILE MILLISECONDS: an exclusive lock that ends with the last process that has FD.
take() {
  NAPPED=0
  if have flock; then
    eval "exec $1>>\"\$2\""
    until flock -n "$1"; do
      [ "$NAPPED" -lt "$3" ] || return 1
      nap
    done
  else
    # A link that says who holds it: there whole or not at all, wherever its maker is killed.
    until ln -s "$$ $(boot_id)" "$2.d" 2>/dev/null; do
      _l=$(readlink "$2.d" 2>/dev/null) || _l=
      if [ -n "$_l" ] && { [ "${_l#* }" != "$(boot_id)" ] || ! kill -0 "${_l%% *}" 2>/dev/null; }; then
        # Of two that find it so, one moves it away; what the other moves may be new by then, and goes back.
        mv "$2.d" "$2.d.$$" 2>/dev/null || :
        _n=$(readlink "$2.d.$$" 2>/dev/null) || _n=
        rm -f "$2.d.$$"
        if [ -z "$_n" ] || [ "$_n" = "$_l" ] || ! ln -s "$_n" "$2.d" 2>/dev/null; then :; fi
      fi
      [ "$NAPPED" -lt "$3" ] || return 1
      nap
    done
  fi
}

drop() {
  if have flock; then eval "exec $1>&-"; else rm -f "$2.d"; fi
}

# read_fence: F_SEEN and S_SEEN, the highest pair so far. A damaged file is never taken for zero.
read_fence() {
  F_SEEN=0 S_SEEN=0
  [ -e "$S/fence" ] || return 0
  read -r F_SEEN S_SEEN <"$S/fence" || :
  is_number "$F_SEEN" && is_number "$S_SEEN"
}

# alive RECORD: whether the job, or a child that it left, still runs.
alive() {
  if have flock; then
    [ -e "$1/alive" ] || return 1
    if (flock -n -s 6) 6<"$1/alive" 2>/dev/null; then return 1; fi
    return 0
  fi
  _p=
  { read -r _p _b <"$1/job"; } 2>/dev/null || :
  [ -n "$_p" ] && kill -0 "$_p" 2>/dev/null
}
