# Run with the record of a job.
begin "${1-}"
value kind
KIND=$A
case $KIND in
  apply) FORWARD=yes ;;
  quiesce)
    value back
    if [ "$A" != yes ]; then FORWARD=yes; fi
    ;;
esac
case $KIND in
  pull) job_pull ;;
  quiesce) job_quiesce ;;
  apply | restore) job_apply ;;
  *) say "no such kind of job"; finish failed bad_request ;;
esac
