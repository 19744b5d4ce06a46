# Unpacks programs and runs them, for ever. /tmp/N.rounds says how many rounds there were, and how many of them printed something wrong.
# usage: sh short-processes.sh N PROGRAM...
name=$1
shift
mkdir -p /tmp
cd /
tar czf "/tmp/$name.tgz" bin/busybox "$@"
right=$(i=0; while [ $i -lt 50 ]; do echo "done $i"; i=$((i + 1)); done | md5sum)
rounds=0
wrong=0
while :; do
  rm -rf "/tmp/$name"
  mkdir "/tmp/$name"
  tar xzf "/tmp/$name.tgz" -C "/tmp/$name"
  printed=$(chroot "/tmp/$name" /bin/busybox sh -c \
    'i=0; while [ $i -lt 50 ]; do echo "do $i" | /usr/bin/sed "s/do/done/" | /bin/busybox cat; i=$((i + 1)); done' | md5sum)
  [ "$printed" = "$right" ] || wrong=$((wrong + 1))
  rounds=$((rounds + 1))
  echo "$rounds $wrong" > "/tmp/$name.now"
  mv "/tmp/$name.now" "/tmp/$name.rounds"
done
