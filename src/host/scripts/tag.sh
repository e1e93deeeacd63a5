FENCE='' SEQ='' OPERATION=''

# tag_key KEY BASE64: takes the three parts of a tag, and the offset, from the input.
tag_key() {
  case $1 in
    offset) un64 OFFSET "$2" ;;
    fence) un64 FENCE "$2" ;;
    seq) un64 SEQ "$2" ;;
    operation) un64 OPERATION "$2" ;;
  esac
}
