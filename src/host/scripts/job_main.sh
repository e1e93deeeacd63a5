value kind
case $A in
  pull) job_pull ;;
  quiesce) job_quiesce ;;
  apply) job_apply ;;
  *) say "no such kind of job"; finish failed bad_request ;;
esac
