#!/bin/sh
# overlay/fuzz/4-389: Seen once, not again when run alone (state from another program, or a race): at step 34, 'lstat /m/e/d' : host said 'ok dir 2755 0:0 nlink=1 size=40 blksize=4096 dev=d2 ino=i6', the emulator of 6.18 'ok dir 2755 0:0 nlink=1 size=40 blksize=4096 dev=d1 ino=i5'
# Run as root. It works in a mount namespace of its own, below a fresh tmpfs in $R, and leaves nothing behind.
# Needs: overlay, tmpfs
if [ -z "$DRIVERLAB_INSIDE" ]; then DRIVERLAB_INSIDE=1 exec unshare -m --propagation private sh "$0"; fi
R=$(mktemp -d) && mount -t tmpfs -o mode=755 scenario "$R" && cd "$R" || exit 3; export R
umask 022
step() { printf '%s\n' "== $*"; }
as() { ids=$1; shift; setpriv $ids -- "$@"; }

step '1 mkdir /l1'
mkdir "$R/l1"
step '2 mkdir /l2'
mkdir "$R/l2"
step '3 mkdir /u'
mkdir "$R/u"
step '4 mkdir /w'
mkdir "$R/w"
step '5 mkdir /m'
mkdir "$R/m"
step '6 umask 0'
umask 0
step '7 mkdir /l1/c'
mkdir "$R/l1/c"
step '8 write /l1/c {A*511}'
head -c 511 /dev/zero | tr '\000' 'A' >"$R/l1/c"
step '9 mknod /l2/a chr 0600 0 0'
mknod -m 0600 "$R/l2/a" c 0 0
step '10 mkdir /l2/e'
mkdir "$R/l2/e"
step '11 mkdir /l2/e/d mode=1777'
mkdir -m 1777 "$R/l2/e/d"
step '12 mknod /u/a chr 0600 0 0'
mknod -m 0600 "$R/u/a" c 0 0
step '13 symlink b/c /u/b'
ln -s -T "b/c" "$R/u/b"
step '14 write /u/b x'
printf 'x' >"$R/u/b"
step '15 link /u/b /u/d'
ln -P -T "$R/u/b" "$R/u/d"
step '16 mkdir /u/c'
mkdir "$R/u/c"
step '17 mkdir /u/e'
mkdir "$R/u/e"
step '18 mount overlay /m lowerdir=/l1:/l2 upperdir=/u workdir=/w'
mount -t overlay -o "lowerdir=$R/l1:$R/l2,upperdir=$R/u,workdir=$R/w" overlay "$R/m"
step '19 manifest /m'
find "$R/m" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '20 chdir /m/e/d'
cd "$R/m/e/d"
step '21 unlink /m/d/'
unlink "$R/m/d/"
step '22 unlink /m/c'
unlink "$R/m/c"
step '23 chmod /m/e/d 2755'
chmod 2755 "$R/m/e/d"
step '24 unlink /m/e/d/d'
unlink "$R/m/e/d/d"
step '25 manifest /m'
find "$R/m" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '26 lstat /m/b'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/b"
step '27 stat /m/e'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e"
step '28 readlink /m/b'
readlink "$R/m/b"
step '29 f1 = open /m/e/b O_RDWR|O_CREAT|O_EXCL 0222'
command exec 3<>"$R/m/e/b"
step '30 close f1'
exec 3>&-
step '31 chdir /'
cd "$R/"
step '32 umount /m'
umount "$R/m"
step '33 mount overlay /m lowerdir=/l1:/l2 upperdir=/u workdir=/w redirect_dir=nofollow index=off xino=off'
mount -t overlay -o "lowerdir=$R/l1:$R/l2,upperdir=$R/u,workdir=$R/w,redirect_dir=nofollow,index=off,xino=off" overlay "$R/m"
step '34 lstat /m/e/d'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e/d"
step '35 chmod /m/c 0444'
chmod 0444 "$R/m/c"
step '36 stat /m/c'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/c"
step '37 symlink nothing /m/c/a'
ln -s -T "nothing" "$R/m/c/a"
step '38 unlink /m/e/d/b'
unlink "$R/m/e/d/b"
step '39 chmod /m/e/d 1777'
chmod 1777 "$R/m/e/d"
step '40 symlink /m/e /m/e/a'
ln -s -T "$R/m/e" "$R/m/e/a"
step '41 manifest /m noino'
find "$R/m" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '42 stat /m/b'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/b"
step '43 f1 = open /m/e O_RDONLY|O_DIRECTORY'
command exec 3<"$R/m/e"
step '44 f2 = open /m/e O_RDONLY|O_DIRECTORY'
command exec 4<"$R/m/e"
step '45 f3 = open /m/b/ O_WRONLY'
command exec 5<>"$R/m/b/"
step '46 rmdir /m/e/d'
rmdir "$R/m/e/d"
step '47 lstat /m/e'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e"
step '48 chdir /m/c'
cd "$R/m/c"
step '49 f4 = dup f3'
exec 6>&5
step '50 f5 = open /m/c O_RDONLY|O_DIRECTORY'
command exec 7<"$R/m/c"
step '51 unlink /m/a'
unlink "$R/m/a"
step '52 chdir /m'
cd "$R/m"
step '53 fstat f2'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' /proc/self/fd/4
step '54 getfl f3'
# no tool makes this call: getfl f3
step '55 rmdir /m/c'
rmdir "$R/m/c"
step '56 f6 = open /m/c/e O_WRONLY|O_CREAT 4755'
command exec 8<>"$R/m/c/e"
step '57 rmdir /m/c'
rmdir "$R/m/c"
step '58 manifest /m/c noino'
find "$R/m/c" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '59 manifest /m noino'
find "$R/m" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '60 manifest /m noino'
find "$R/m" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '61 fchmod f1 0070'
# no tool makes this call: fchmod f1 0070
step '62 f7 = open /m/a O_RDWR|O_CREAT|O_APPEND|O_SYNC 0444'
command exec 9<>"$R/m/a"
step '63 ftruncate f3 5'
truncate -s 5 /proc/self/fd/5
step '64 unlink /m/a'
unlink "$R/m/a"
step '65 manifest /m noino'
find "$R/m" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '66 manifest /m/e noino'
find "$R/m/e" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '67 chown /m/b 1000 -1'
chown 1000: "$R/m/b"
step '68 close f5'
exec 7>&-
step '69 checkpoint noino'
find "$R" -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +

# what the scenario made
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
cd / && umount -R -l "$R" && rmdir "$R"
