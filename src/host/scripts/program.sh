# What runs detached, and the tick of an armed restore, is one file on the host, named by its SHA-256. A host that does
# not have it says so, and is sent it.
PROGRAM=@PROGRAM@

need_program() { [ "$(sha_of "$S/lib/$PROGRAM")" = "$PROGRAM" ] || fail no_program "$S/lib/$PROGRAM is not there"; }
