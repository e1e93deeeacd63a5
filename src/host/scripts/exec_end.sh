# signal_all SIGNAL: to the group of the command of $E, and to what left it and still has its mark: a process in a
# container is not of the group of the `docker exec` that began it.
signal_all() {
  _g=
  { read -r _g <"$E/group"; } 2>/dev/null || :
  if is_number "$_g"; then kill -s "$1" -- "-$_g" 2>/dev/null || :; fi
  # shellcheck disable=SC2013
  for _f in $(grep -l -F "GEUSEMAKER_EXEC=${E##*/}" "$R"/proc/[0-9]*/environ 2>/dev/null); do
    _f=${_f%/environ}
    kill -s "$1" "${_f##*/}" 2>/dev/null || :
  done
}

# Of each stream so many bytes behind its end are always there. A reader that is further behind is moved ahead.
KEEP=4194304
