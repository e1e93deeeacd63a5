# The probes that a compose file declares, side by side: each in a session of its own, with no descriptor of ours,
# and none longer than its time. `probe NAME KIND SECONDS ARG…` is one; NAME is the container.
#   http URL LOWEST HIGHEST | tcp HOST PORT | command ARG…
ASKED=0
# Each writes `ok`, `no REASON`, or `tool REASON` where the host has nothing to ask with.
ASK_END='printf "%s\n" "$a" >"$o.w" && mv "$o.w" "$o"'
CURL='case $r in 0) ;; 6) a="no no such host" ;; 7) a="no connection refused" ;; 28) a="no no answer in $s s" ;; 52 | 56) a="no closed without an answer" ;; *) a="no curl ends with $r" ;; esac'
ASK_HTTP='o=$1 s=$2 u=$3 l=$4 h=$5 a= c=
if command -v curl >/dev/null 2>&1; then
r=0; c=$(curl -q -g -s -o /dev/null --noproxy "*" -m "$s" -w "%{http_code}" --url "$u") || r=$?
'$CURL'
elif command -v wget >/dev/null 2>&1; then
t=$(http_proxy= https_proxy= wget -S -O /dev/null "$u" 2>&1) || :
c=$(printf "%s\n" "$t" | sed -n "s|.*HTTP/[0-9.]* \([0-9][0-9][0-9]\).*|\1|p" | head -n 1)
if [ -z "$c" ]; then case $t in *refused*) a="no connection refused" ;; *) a="no no answer" ;; esac; fi
elif command -v bash >/dev/null 2>&1 && case $u in http://*) ;; *) false ;; esac; then
n=${u#http://}; q=/; case $n in */*) q=/${n#*/} n=${n%%/*} ;; esac
p=80; case $n in *]) ;; *:*) p=${n##*:} ;; esac; m=${n%:"$p"} m=${m#[} m=${m%]}
c=$(bash -c "exec 3<>\"/dev/tcp/\$1/\$2\" && printf \"GET %s HTTP/1.0\r\nHost: %s\r\n\r\n\" \"\$3\" \"\$4\" >&3 && read -r l <&3 && printf %s \"\$l\"" x "$m" "$p" "$q" "$n" 2>/dev/null) || c=
case $c in "HTTP/"*) c=${c#* } c=${c%%[!0-9]*} ;; *) c= a="no no answer" ;; esac
else a="tool neither curl nor wget is on the host"; fi
if [ -z "$a" ]; then case $c in [1-5][0-9][0-9]) ;; *) c=0 ;; esac
if [ "$c" -ge "$l" ] && [ "$c" -le "$h" ]; then a=ok; else a="no HTTP $c"; fi; fi; '$ASK_END
# A port that Docker publishes on the loopback interface is opened by its proxy whether anybody listens behind it or not, and
# then closed at once: that is no answer. Whoever waits for a word, or says one, is there.
ASK_TCP='o=$1 s=$2 h=$3 p=$4 a= r=1 w=
if command -v curl >/dev/null 2>&1 && mkfifo "$o.f" 2>/dev/null && exec 3<>"$o.f"; then
case $h in *:*) u="telnet://[$h]:$p" ;; *) u="telnet://$h:$p" ;; esac
for m in 0.5 "$s"; do r=0; w=$(curl -q -s -o /dev/null --noproxy "*" -m "$m" -w "%{num_connects}" --url "$u" <&3) || r=$?
if [ "$r:$w" != 28:0 ]; then break; fi; done
case $r:$w in 28:1) a=ok ;; 0:*) a="no closed at once" ;; 1:*) r= ;; *) '$CURL' ;; esac
else r=; fi
if [ -z "$r" ]; then if command -v bash >/dev/null 2>&1; then
bash -c "exec 3<>\"/dev/tcp/\$1/\$2\" || exit 7; IFS= read -r -d \"\" -t 0.5 -n 1 -u 3; r=\$?; [ \$r -eq 0 ] || [ \$r -gt 128 ]" x "$h" "$p" >/dev/null 2>&1; r=$?
case $r in 0) a=ok ;; 7) a="no connection refused" ;; *) a="no closed at once" ;; esac
else a="tool neither a curl that knows telnet nor bash is on the host"; fi; fi; '$ASK_END
ASK_COMMAND='o=$1 n=$3; shift 3; { docker exec "$n" "$@" 2>&1; printf "%s\n" "$?" >"$o.r"; } | tail -c 500 >"$o.t"; r=1; read -r r <"$o.r"
if [ "$r" = 0 ]; then a=ok; else a="no exit $r: $(tr -s "[:space:]" " " <"$o.t")"; fi; '$ASK_END

# ask NAME KIND SECONDS ARG…, each in base64
ask() {
  [ "$#" -ge 3 ] || return 0
  un64 _name "$1"
  un64 _k "$2"
  un64 _s "$3"
  shift 3
  _n=$#
  while [ "$_n" -gt 0 ]; do
    un64 _w "$1"
    shift
    set -- "$@" "$_w"
    _n=$((_n - 1))
  done
  is_number "$_s" && is_name "$_name" || return 0
  case $_k in
    http) _body=$ASK_HTTP ;;
    tcp) _body=$ASK_TCP ;;
    command) _body=$ASK_COMMAND; set -- "$_name" "$@" ;;
    *) return 0 ;;
  esac
  ASKED=$((ASKED + 1))
  apart "$_body" probe "$T/$ASKED" "$_s" "$@"
  eval "PID_$ASKED=$STARTED MOST_$ASKED=$((_s * 1000 + 800)) SECONDS_$ASKED=$_s NAME_$ASKED=\$_name"
}

# asks <LINES: starts all of them. Lines of other keys are passed over.
asks() {
  ASKED=0
  while read -r _key _rest; do
    # shellcheck disable=SC2086
    if [ "$_key" = probe ]; then ask $_rest; fi
  done
}

# answer N: sets ANSWER and NAME. What has not answered in its time is ended: none is waited for.
answer() {
  eval "_pid=\$PID_$1 _most=\$MOST_$1 _s=\$SECONDS_$1 NAME=\$NAME_$1"
  until [ -e "$T/$1" ]; do
    if [ "$NAPPED" -ge "$_most" ]; then
      end_apart "$_pid"
      ANSWER="no no answer in $_s s"
      return 0
    fi
    nap
  done
  ANSWER=
  read -r ANSWER <"$T/$1" || :
}
