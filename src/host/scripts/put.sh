# put: one part of a text that is too long for one command; the last part joins and checks them. A text of the user's
# goes to the kept copies, a program of ours to lib.
main() {
  sha='' part='' parts='' data='' W=$S/files
  while read -r key a; do
    case $key in
      sha256) un64 sha "$a" ;;
      part) un64 part "$a" ;;
      parts) un64 parts "$a" ;;
      data) data=$a ;;
      program) W=$S/lib ;;
      *) tag_key "$key" "$a" ;;
    esac
  done
  check_tag
  is_number "$part" && is_number "$parts" || fail bad_request "part and parts must be numbers"
  case $sha in '' | *[!0-9a-f]*) fail bad_request "not a SHA-256: '$sha'" ;; esac
  admit
  if [ "$(sha_of "$W/$sha")" = "$sha" ]; then reply '{"put":"done"}'; fi
  P=$W/.part.$sha
  printf %s "$data" | base64 -d >"$P.$part" || fail no_space "cannot write $P.$part"
  if [ "$part" -lt "$parts" ]; then reply '{"put":"part"}'; fi
  n=1
  : >"$P.all"
  while [ "$n" -le "$parts" ]; do
    cat "$P.$n" >>"$P.all" 2>/dev/null || fail put_failed "part $n of $parts is not there"
    n=$((n + 1))
  done
  [ "$(sha_of "$P.all")" = "$sha" ] || fail put_failed "the parts joined have SHA-256 $(sha_of "$P.all"), expected $sha"
  durable "$P.all" && mv -f "$P.all" "$W/$sha" || fail put_failed "cannot write $W/$sha"
  rm -f "$P".*
  reply '{"put":"done"}'
}
