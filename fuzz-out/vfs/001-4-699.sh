#!/bin/sh
# vfs/fuzz/4-699: Seen once, not again when run alone (state from another program, or a race): at step 59, 'stat //b' : host said 'ok dir 1777 0:0 nlink=2 size=40 blksize=4096 dev=d3 ino=i5 attributes=mount_root', the emulator of 6.18 'ok dir 1777 0:0 nlink=2 size=40 blksize=4096 dev=d2 ino=i5 attributes=mount_root'
# Run as root. It works in a mount namespace of its own, below a fresh tmpfs in $R, and leaves nothing behind.
# Needs: tmpfs
if [ -z "$DRIVERLAB_INSIDE" ]; then DRIVERLAB_INSIDE=1 exec unshare -m --propagation private sh "$0"; fi
R=$(mktemp -d) && mount -t tmpfs -o mode=755 scenario "$R" && cd "$R" || exit 3; export R
umask 022
step() { printf '%s\n' "== $*"; }
as() { ids=$1; shift; setpriv $ids -- "$@"; }

step '1 chmod / 1777'
chmod 1777 "$R/"
step '2 truncate /e 65536'
truncate -s 65536 "$R/e"
step '3 getxattr a user. 0'
getfattr --absolute-names -n 'user.' "a"
step '4 mkdir /e'
mkdir "$R/e"
step '5 mkdir //e/.hidden'
mkdir "$R//e/.hidden"
step '6 truncate /e/./c 1'
truncate -s 1 "$R/e/./c"
step '7 umount /e/.hidden expire'
umount "$R/e/.hidden"
step '8 truncate /e/.hidden/d 0'
truncate -s 0 "$R/e/.hidden/d"
step '9 rename //e /e/.hidden'
mv -T "$R//e" "$R/e/.hidden"
step '10 lstat /e'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/e"
step '11 readdir /e/.hidden dots ino'
ls -1Ua "$R/e/.hidden"
step '12 readdir /e/.hidden'
ls -1UA "$R/e/.hidden"
step '13 mount ramfs /e'
mount -t ramfs ramfs "$R/e"
step '14 mount tmpfs /e size=1m mode=777'
mount -t tmpfs -o "size=1m,mode=777" tmpfs "$R/e"
step '15 mkdir e/b mode=1777'
mkdir -m 1777 "e/b"
step '16 stat /e/b/a/..'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/e/b/a/.."
step '17 stat //e/b'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R//e/b"
step '18 alice: rmdir /a'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'rmdir "$R/a"'
step '19 mknod /e/ chr 0600 240 0'
mknod -m 0600 "$R/e/" c 240 0
step '20 rename /e /e'
mv -T "$R/e" "$R/e"
step '21 lstat /a/c/"x y"'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/a/c/x y"
step '22 mount tmpfs /e/.hidden size=4k'
mount -t tmpfs -o "size=4k" tmpfs "$R/e/.hidden"
step '23 chmod /./e 2070'
chmod 2070 "$R/./e"
step '24 statfs /e/'
stat -f -c 'type=0x%t bsize=%s namelen=%l' "$R/e/"
step '25 stat /e/b'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/e/b"
step '26 mkdir b mode=0644'
mkdir -m 0644 "b"
step '27 alice: lstat /e/b'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'stat -c '\''%F %04a %u:%g nlink=%h size=%s blocks=%b'\'' "$R/e/b"'
step '28 chmod /b/é 2070'
chmod 2070 "$R/b/é"
step '29 access /b R_OK|W_OK nofollow'
test -w "$R/b"
step '30 lstat /b/x'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/b/x"
step '31 utimes /b 2000000000 now'
touch -d @now "$R/b"
step '32 umount /e/b'
umount "$R/e/b"
step '33 stat /b/c'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/b/c"
step '34 utimes /{abc/*1024}x now 1000'
touch -d @1000 "$R/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/x"
step '35 cat /e/b'
cat "$R/e/b"
step '36 f1 = open /b/b O_RDONLY'
command exec 3<"$R/b/b"
step '37 link /e b/c follow'
ln -L -T "$R/e" "b/c"
step '38 fstat f1'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' /proc/self/fd/3
step '39 link /c /e/b/b'
ln -P -T "$R/c" "$R/e/b/b"
step '40 rename //e/.hidden //b'
mv -T "$R//e/.hidden" "$R//b"
step '41 f2 = open /e O_RDWR'
command exec 4<>"$R/e"
step '42 statfs /e/b/'
stat -f -c 'type=0x%t bsize=%s namelen=%l' "$R/e/b/"
step '43 close f2'
exec 4>&-
step '44 fstat f1'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' /proc/self/fd/3
step '45 alice: lchown /e/b 1001 -1'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'chown -h 1001: "$R/e/b"'
step '46 umount /e'
umount "$R/e"
step '47 rename . /e/c'
mv -T "." "$R/e/c"
step '48 mkdir /e/b/e'
mkdir "$R/e/b/e"
step '49 manifest /b'
find "$R/b" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '50 fchown f1 -1 1000'
# no tool makes this call: fchown f1 -1 1000
step '51 setxattr /b user.{x*200} ""'
setfattr -n 'user.{x*200}' -v "0x$(printf '' | od -An -v -tx1 | tr -d ' \n')" "$R/b"
step '52 alice: mkdir /b/e'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'mkdir "$R/b/e"'
step '53 alice: mkdir /b/a mode=1777'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'mkdir -m 1777 "$R/b/a"'
step '54 mount tmpfs /b size=16k mode=1777'
mount -t tmpfs -o "size=16k,mode=1777" tmpfs "$R/b"
step '55 setxattr .. user.{x*200} w'
setfattr -n 'user.{x*200}' -v "0x$(printf 'w' | od -An -v -tx1 | tr -d ' \n')" ".."
step '56 truncate b/e 1'
truncate -s 1 "b/e"
step '57 truncate /b/a/c 5'
truncate -s 5 "$R/b/a/c"
step '58 alice: lstat {a*4095}'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'stat -c '\''%F %04a %u:%g nlink=%h size=%s blocks=%b'\'' "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'
step '59 alice: stat //b'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'stat -L -c '\''%F %04a %u:%g nlink=%h size=%s blocks=%b'\'' "$R//b"'
step '60 alice: mount tmpfs /e size=1m'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'mount -t tmpfs -o "size=1m" tmpfs "$R/e"'
step '61 write /b/e/a {rand:3:5000} append'
head -c 5000 /dev/urandom # the scenario's own bytes depend on seed 3 >>"$R/b/e/a"
step '62 rename /e/b /./d'
mv -T "$R/e/b" "$R/./d"
step '63 access b/a R_OK|W_OK nofollow'
test -w "b/a"
step '64 alice: rename /e /d/e RENAME_EXCHANGE'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'mv --exchange -T "$R/e" "$R/d/e"'
step '65 alice: stat ""'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'stat -L -c '\''%F %04a %u:%g nlink=%h size=%s blocks=%b'\'' ""'
step '66 truncate /b/c 1'
truncate -s 1 "$R/b/c"
step '67 mount tmpfs /d'
mount -t tmpfs tmpfs "$R/d"
step '68 alice: lstat /b/e/a'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'stat -c '\''%F %04a %u:%g nlink=%h size=%s blocks=%b'\'' "$R/b/e/a"'
step '69 lseek f1 4095 SEEK_DATA'
# no tool makes this call: lseek f1 4095 SEEK_DATA
step '70 lchown "" 1000 -1'
chown -h 1000: ""
step '71 stat /b/e/a'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/b/e/a"
step '72 stat /d'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/d"
step '73 rename /e /b/a/d'
mv -T "$R/e" "$R/b/a/d"
step '74 rename /d/e d/e/c'
mv -T "$R/d/e" "d/e/c"
step '75 alice: umount /b/a/d'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'umount "$R/b/a/d"'
step '76 rmdir /b/e/c/.'
rmdir "$R/b/e/c/."
step '77 write /e {rand:4:8193}'
head -c 8193 /dev/urandom # the scenario's own bytes depend on seed 4 >"$R/e"
step '78 utimes /b/a/d 1000.5 0'
touch -d @0 "$R/b/a/d"
step '79 lseek f1 65536 SEEK_DATA'
# no tool makes this call: lseek f1 65536 SEEK_DATA
step '80 alice: utimes /b/b/d omit 1000'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'touch -d @1000 "$R/b/b/d"'
step '81 mkdir //c'
mkdir "$R//c"
step '82 alice: mount tmpfs /d uid=1000'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'mount -t tmpfs -o "uid=1000" tmpfs "$R/d"'
step '83 manifest /b/a'
find "$R/b/a" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '84 pwrite closed {rand:4:8193} 100'
head -c 8193 /dev/urandom # the scenario's own bytes depend on seed 4 | dd of=/proc/self/fd/99 oflag=seek_bytes seek=100 bs=64K conv=notrunc status=none
step '85 rmdir //d/e'
rmdir "$R//d/e"
step '86 fstat f1'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' /proc/self/fd/3
step '87 mkdir /b/e/./c mode=6711'
mkdir -m 6711 "$R/b/e/./c"
step '88 mkdir b/e/c/e mode=0070'
mkdir -m 0070 "b/e/c/e"
step '89 setxattr /d/a system.posix_acl_access value2 XATTR_CREATE|XATTR_REPLACE'
setfattr -n 'system.posix_acl_access' -v "0x$(printf 'value2' | od -An -v -tx1 | tr -d ' \n')" "$R/d/a"
step '90 rename /c /b/e/c/e'
mv -T "$R/c" "$R/b/e/c/e"
step '91 write /b/e/c/e/c/.. x'
printf 'x' >"$R/b/e/c/e/c/.."
step '92 lseek closed 0 SEEK_SET'
# no tool makes this call: lseek closed 0 SEEK_SET
step '93 alice: pwrite f1 {rand:4:8193} 4095'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'head -c 8193 /dev/urandom # the scenario'\''s own bytes depend on seed 4 | dd of=/proc/self/fd/3 oflag=seek_bytes seek=4095 bs=64K conv=notrunc status=none'
step '94 alice: truncate /b/e 8192'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'truncate -s 8192 "$R/b/e"'
step '95 chmod /c 0222'
chmod 0222 "$R/c"
step '96 lseek f1 511 SEEK_CUR'
# no tool makes this call: lseek f1 511 SEEK_CUR
step '97 alice: rename /b/e/c/e /b/e/a RENAME_EXCHANGE'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'mv --exchange -T "$R/b/e/c/e" "$R/b/e/a"'
step '98 manifest /c'
find "$R/c" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '99 setxattr /a user.a ""'
setfattr -n 'user.a' -v "0x$(printf '' | od -An -v -tx1 | tr -d ' \n')" "$R/a"
step '100 alice: rename "" /b/e/c'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'mv -T "" "$R/b/e/c"'
step '101 getxattr /b/e user.{x*200} nofollow'
getfattr -h --absolute-names -n 'user.{x*200}' "$R/b/e"
step '102 rename /b/e/. /b/e/a'
mv -T "$R/b/e/." "$R/b/e/a"
step '103 access //b R_OK|W_OK'
test -w "$R//b"
step '104 alice: utimes /d/e omit omit'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'touch -d @omit "$R/d/e"'
step '105 lseek f1 0 SEEK_CUR'
# no tool makes this call: lseek f1 0 SEEK_CUR
step '106 f2 = open /b/a O_RDWR|O_CLOEXEC'
command exec 4<>"$R/b/a"
step '107 lseek f1 100 SEEK_SET'
# no tool makes this call: lseek f1 100 SEEK_SET
step '108 manifest /'
find "$R/" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '109 pwrite f2 "" 65536'
printf '' | dd of=/proc/self/fd/4 oflag=seek_bytes seek=65536 bs=64K conv=notrunc status=none
step '110 rename /b/a //b/e/c/c RENAME_EXCHANGE|RENAME_WHITEOUT'
# mv has no such flag: rename /b/a //b/e/c/c RENAME_EXCHANGE|RENAME_WHITEOUT
step '111 alice: rename /e /d'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'mv -T "$R/e" "$R/d"'
step '112 utimes /b/e/a/x now now'
touch -d @now "$R/b/e/a/x"
step '113 fallocate f1 FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE 512 1'
fallocate -n -p -o 512 -l 1 /proc/self/fd/3
step '114 mkdir /a mode=0644'
mkdir -m 0644 "$R/a"
step '115 truncate {a*4095} -1'
truncate -s -1 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
step '116 f3 = open /b/e/b/ O_WRONLY|O_CREAT|O_PATH|O_CLOEXEC 0000'
command exec 5<>"$R/b/e/b/"
step '117 manifest /b'
find "$R/b" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '118 link /b/e/b /d/c follow'
ln -L -T "$R/b/e/b" "$R/d/c"
step '119 lseek f1 512 SEEK_SET'
# no tool makes this call: lseek f1 512 SEEK_SET
step '120 utimes b/e/c 1000 1000'
touch -d @1000 "b/e/c"
step '121 mkdir /b/a/e mode=0000'
mkdir -m 0000 "$R/b/a/e"
step '122 lstat /b/a/d'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/b/a/d"
step '123 link /b/e/c /a/e'
ln -P -T "$R/b/e/c" "$R/a/e"
step '124 lseek f2 -1 SEEK_SET'
# no tool makes this call: lseek f2 -1 SEEK_SET
step '125 mkdir /b/b/.. mode=0777'
mkdir -m 0777 "$R/b/b/.."
step '126 stat b/e/b'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "b/e/b"
step '127 readdir /b/e'
ls -1UA "$R/b/e"
step '128 f4 = open /d/c/x O_RDWR'
command exec 6<>"$R/d/c/x"
step '129 setxattr /b/e/a user.{x*200} {q*1000}'
setfattr -n 'user.{x*200}' -v "0x$(head -c 1000 /dev/zero | tr '\000' 'q' | od -An -v -tx1 | tr -d ' \n')" "$R/b/e/a"
step '130 rename /e b/a/e/d'
mv -T "$R/e" "b/a/e/d"
step '131 mknod //b/d reg 0644'
: >"$R//b/d"
step '132 lseek f4 -5000 SEEK_SET'
# no tool makes this call: lseek f4 -5000 SEEK_SET
step '133 cat /'
cat "$R/"
step '134 stat /b/a/e'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/b/a/e"
step '135 lseek f1 1 SEEK_SET'
# no tool makes this call: lseek f1 1 SEEK_SET
step '136 link /d/. /a'
ln -P -T "$R/d/." "$R/a"
step '137 alice: pwrite f1 {B*20} 4096'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'head -c 20 /dev/zero | tr '\''\000'\'' '\''B'\'' | dd of=/proc/self/fd/3 oflag=seek_bytes seek=4096 bs=64K conv=notrunc status=none'
step '138 pwrite f2 x 200K'
printf 'x' | dd of=/proc/self/fd/4 oflag=seek_bytes seek=204800 bs=64K conv=notrunc status=none
step '139 mkdir /b/b/c/.'
mkdir "$R/b/b/c/."
step '140 lstat /b/e/c/e/a'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/b/e/c/e/a"
step '141 mkdir /b/a/c mode=0755'
mkdir -m 0755 "$R/b/a/c"
step '142 lstat /c'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/c"
step '143 rename /b/a/. /a'
mv -T "$R/b/a/." "$R/a"
step '144 utimes /b now 1000.5'
touch -d @1000.5 "$R/b"
step '145 f5 = open /a/a/.. O_RDWR|O_CREAT 0111'
command exec 7<>"$R/a/a/.."
step '146 alice: umount /b'
as '--reuid=1000 --regid=1000 --groups=5,6' sh -c 'umount "$R/b"'
step '147 cat /b/e/c/e/c'
cat "$R/b/e/c/e/c"
step '148 lseek closed -5000 SEEK_END'
# no tool makes this call: lseek closed -5000 SEEK_END
step '149 chmod /c 0644'
chmod 0644 "$R/c"
step '150 checkpoint'
find "$R" -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +

# what the scenario made
exec 3>&- 4>&- 5>&- 6>&- 7>&-
cd / && umount -R -l "$R" && rmdir "$R"
