# order: whether Docker waits for a mount at a boot; with a tag, one drop-in makes it wait.
DROPS=$R/etc/systemd/system/docker.service.d
DROP=$DROPS/geusemaker-mount.conf

# ask: sets KNOWN, REQUIRES and UNIT_FILE. A unit of fstab has a generated file; one that is only mounted has none,
# and no other unit requires it.
ask() {
  KNOWN=false REQUIRES='' UNIT_FILE=''
  _st=$(systemctl show docker.service -p LoadState -p Requires 2>/dev/null </dev/null) || return 0
  case "$NL$_st$NL" in *"${NL}LoadState=loaded$NL"*) KNOWN=true ;; *) return 0 ;; esac
  case "$NL$_st" in *"${NL}Requires="*) REQUIRES=${_st#*Requires=} REQUIRES=${REQUIRES%%"$NL"*} ;; esac
  UNIT_FILE=$(systemctl show "$UNIT" -p FragmentPath --value 2>/dev/null </dev/null) || UNIT_FILE=
}

waits() { case " $REQUIRES " in *" $UNIT "*) return 0 ;; esac; return 1; }

reload() { systemctl daemon-reload </dev/null >/dev/null 2>&1 9>&- || :; ask; }

in_fstab() {
  FSTAB=
  if [ -r "$R/etc/fstab" ]; then
    FSTAB=$(POINT=$1 awk "$DECODE"'$1 !~ /^#/ && dec($2) == (ENVIRON["POINT"] "")' "$R/etc/fstab")
  fi
}

# put_text TEXT: systemd sees the old drop-in or the new one, never a part; the name beside it is none of its own.
put_text() {
  { printf %s "$1" >"$DROPS/.geusemaker.new" && chmod 644 "$DROPS/.geusemaker.new"; } 2>/dev/null || return 1
  { durable "$DROPS/.geusemaker.new" && mv -f "$DROPS/.geusemaker.new" "$DROP"; } 2>/dev/null || return 1
  _now=$(cat "$DROP" 2>/dev/null; printf x)
  [ "$_now" = "$1x" ]
}

# take_back: as it was before. LEFT where it cannot be.
take_back() {
  rm -f "$DROPS/.geusemaker.new" 2>/dev/null
  if [ -n "$OLD" ]; then put_text "${OLD%x}" || LEFT=true
  else
    rm -f "$DROP" 2>/dev/null
    if [ -e "$DROP" ]; then LEFT=true; fi
  fi
  if [ -n "$MADE" ]; then rmdir "$DROPS" 2>/dev/null || :; fi
  reload
}

mend() {
  if [ "$KNOWN" != true ] || waits; then return 0; fi
  # fstab may have been written after systemd read it.
  if [ -z "$UNIT_FILE" ] && [ -n "$FSTAB" ]; then
    reload
    if waits; then return 0; fi
  fi
  if [ -z "$UNIT_FILE" ]; then return 0; fi
  OLD='' MADE=''
  if [ -e "$DROP" ]; then OLD=$(cat "$DROP" 2>/dev/null; printf x); fi
  if [ ! -d "$DROPS" ]; then
    MADE=yes
    (umask 022; mkdir -p "$DROPS" 2>/dev/null) || fail no_write "cannot make $DROPS"
  fi
  if ! put_text "$TEXT"; then
    take_back
    fail no_write "cannot write $DROP"
  fi
  reload
  if waits; then return 0; fi
  take_back
}

main() {
  UNIT='' TEXT='' POINT='' LEFT=false
  while read -r key a; do
    case $key in
      unit) un64 UNIT "$a" ;;
      text) un64 TEXT "$a" ;;
      point) un64 POINT "$a" ;;
      *) tag_key "$key" "$a" ;;
    esac
  done
  case $UNIT in -* | *[!a-zA-Z0-9:_.\\-]*) fail bad_request "not a unit: '$UNIT'" ;; ?*.mount) ;; *) fail bad_request "not a mount unit: '$UNIT'" ;; esac
  if [ -n "$FENCE" ]; then
    check_tag
    admit
  fi
  ask
  in_fstab "$POINT"
  if [ -n "$FENCE" ]; then
    mend
    drop 9 "$S/lock"
  fi
  _q=null
  if [ "$KNOWN" = true ]; then _q="\"$(text64 "$REQUIRES")\""; fi
  reply "{\"requires\":$_q,\"unit_file\":\"$(text64 "$UNIT_FILE")\",\"fstab\":\"$(text64 "$FSTAB")\",\"left\":$LEFT}"
}
