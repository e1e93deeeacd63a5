OFFSET=0

# reply DOCUMENT: prints one slice of it (Run Command cuts at 24,000 characters) and what proves the whole.
reply() {
  is_number "$OFFSET" || OFFSET=0
  _sum=$(printf %s "$1" | sha256sum)
  _slice=$1
  if [ "$OFFSET" != 0 ] || [ "${#1}" -gt 20000 ]; then
    _slice=$(printf %s "$1" 2>/dev/null | tail -c "+$((OFFSET + 1))" 2>/dev/null | head -c 20000)
  fi
  printf '%s\ngeusemaker-reply 1 %s %s %s %s\n' "$_slice" "$OFFSET" "${#_slice}" "${#1}" "${_sum%% *}"
  exit 0
}

# fail CODE MESSAGE [SEEN]
fail() { reply "{\"error\":{\"code\":\"$1\",\"message\":\"$(text64 "$2")\",\"seen\":\"${3:-}\"}}"; }
