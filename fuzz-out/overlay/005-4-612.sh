#!/bin/sh
# overlay/fuzz/4-612: Seen once, not again when run alone (state from another program, or a race): at step 85, 'stat /m/d/c' : host said 'ok reg 0111 0:0 nlink=6 size=511 blksize=4096 blocks=8 dev=d2 ino=i8', the emulator of 6.18 'ok reg 0111 0:0 nlink=6 size=511 blksize=4096 blocks=8 dev=d1 ino=i6'
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
step '3 mkdir /l3'
mkdir "$R/l3"
step '4 mkdir /u'
mkdir "$R/u"
step '5 mkdir /w'
mkdir "$R/w"
step '6 mkdir /m'
mkdir "$R/m"
step '7 mkdir /l1/b'
mkdir "$R/l1/b"
step '8 symlink . /l1/b/a'
ln -s -T "." "$R/l1/b/a"
step '9 write /l1/b/d {rand:3:5000}'
head -c 5000 /dev/urandom # the scenario's own bytes depend on seed 3 >"$R/l1/b/d"
step '10 mkdir /l1/d'
mkdir "$R/l1/d"
step '11 write /l2/a {rand:4:8193}'
head -c 8193 /dev/urandom # the scenario's own bytes depend on seed 4 >"$R/l2/a"
step '12 link /l2/a /l2/b'
ln -P -T "$R/l2/a" "$R/l2/b"
step '13 write /l2/b {rand:3:5000} mode=0600'
head -c 5000 /dev/urandom # the scenario's own bytes depend on seed 3 >"$R/l2/b"
step '14 mkdir /l2/e'
mkdir "$R/l2/e"
step '15 symlink a /l2/a'
ln -s -T "a" "$R/l2/a"
step '16 setxattr /l2/e trusted.b v'
setfattr -n 'trusted.b' -v "0x$(printf 'v' | od -An -v -tx1 | tr -d ' \n')" "$R/l2/e"
step '17 write /l2/e/d hello'
printf 'hello' >"$R/l2/e/d"
step '18 mkdir /l3/a'
mkdir "$R/l3/a"
step '19 mkdir /l3/a mode=1777'
mkdir -m 1777 "$R/l3/a"
step '20 setxattr /l3 user.a v'
setfattr -n 'user.a' -v "0x$(printf 'v' | od -An -v -tx1 | tr -d ' \n')" "$R/l3"
step '21 mknod /l3/e chr 0600 0 0'
mknod -m 0600 "$R/l3/e" c 0 0
step '22 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w userxattr'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w,userxattr" overlay "$R/m"
step '23 truncate /m/e/d 100'
truncate -s 100 "$R/m/e/d"
step '24 stat /m/e'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e"
step '25 chdir /'
cd "$R/"
step '26 umount /m'
umount "$R/m"
step '27 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w redirect_dir=on index=off'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w,redirect_dir=on,index=off" overlay "$R/m"
step '28 lstat /m/d'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/d"
step '29 stat /m'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m"
step '30 unlink /m/a'
unlink "$R/m/a"
step '31 link /m/b/d /m/e/e'
ln -P -T "$R/m/b/d" "$R/m/e/e"
step '32 rmdir /m/e'
rmdir "$R/m/e"
step '33 truncate /m/e/e 4096'
truncate -s 4096 "$R/m/e/e"
step '34 readdir /m/b'
ls -1UA "$R/m/b"
step '35 rmdir /m/e'
rmdir "$R/m/e"
step '36 truncate /m/e/d 100'
truncate -s 100 "$R/m/e/d"
step '37 lstat /m/e/d'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e/d"
step '38 stat /m/d'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/d"
step '39 link /m/b/d /m/d/d'
ln -P -T "$R/m/b/d" "$R/m/d/d"
step '40 cat /m/b/d'
cat "$R/m/b/d"
step '41 unlink /m/e/d'
unlink "$R/m/e/d"
step '42 link /m/b /m/d/a'
ln -P -T "$R/m/b" "$R/m/d/a"
step '43 chdir /m'
cd "$R/m"
step '44 truncate /m/b/d 4095'
truncate -s 4095 "$R/m/b/d"
step '45 stat /m/e'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e"
step '46 link /m/b/a /m/d/e'
ln -P -T "$R/m/b/a" "$R/m/d/e"
step '47 setxattr /m/d/d trusted.a {rand:5:100}'
setfattr -n 'trusted.a' -v "0x$(printf 'Z\303\211\243\014;\003c\3706\227\223M1\227\300G\301k\020\360\323\222;E\271\005\332\302Nn\031\305]\001\252\217'\''\0360D@\007\2600\226oa!\033\314\033\037\344M\374+\357\231\006\023\214\327\202\350\351\351\236:\352+mc\327\231`\207\024{\232\247\306|%%\351URs<\247\005U\212\354\376"\373\212W\204' | od -An -v -tx1 | tr -d ' \n')" "$R/m/d/d"
step '48 truncate /m/b/d 511'
truncate -s 511 "$R/m/b/d"
step '49 unlink /m/b'
unlink "$R/m/b"
step '50 link /m/b/d /m/d/c'
ln -P -T "$R/m/b/d" "$R/m/d/c"
step '51 cat /m/e/c'
cat "$R/m/e/c"
step '52 setxattr /m/b trusted.b v'
setfattr -n 'trusted.b' -v "0x$(printf 'v' | od -An -v -tx1 | tr -d ' \n')" "$R/m/b"
step '53 stat /m/b'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/b"
step '54 truncate /m/d/c 65536'
truncate -s 65536 "$R/m/d/c"
step '55 link /m/d/c /m/b/c'
ln -P -T "$R/m/d/c" "$R/m/b/c"
step '56 cat /m/b/c'
cat "$R/m/b/c"
step '57 setxattr /m user.a {q*1000} XATTR_CREATE'
setfattr -n 'user.a' -v "0x$(head -c 1000 /dev/zero | tr '\000' 'q' | od -An -v -tx1 | tr -d ' \n')" "$R/m"
step '58 chmod /m/b 0111'
chmod 0111 "$R/m/b"
step '59 rmdir /m/c'
rmdir "$R/m/c"
step '60 link /m/b/d /m/e/a'
ln -P -T "$R/m/b/d" "$R/m/e/a"
step '61 rmdir /m/d'
rmdir "$R/m/d"
step '62 link /m/d/c /m/e/c'
ln -P -T "$R/m/d/c" "$R/m/e/c"
step '63 lstat /m/d/c'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/d/c"
step '64 rmdir /m/e'
rmdir "$R/m/e"
step '65 truncate /m/e/c 4095'
truncate -s 4095 "$R/m/e/c"
step '66 unlink /m/e/e'
unlink "$R/m/e/e"
step '67 setxattr /m trusted.b {q*1000}'
setfattr -n 'trusted.b' -v "0x$(head -c 1000 /dev/zero | tr '\000' 'q' | od -An -v -tx1 | tr -d ' \n')" "$R/m"
step '68 chmod /m/b/c 0111'
chmod 0111 "$R/m/b/c"
step '69 getcwd'
pwd -P
step '70 chmod /m 0444'
chmod 0444 "$R/m"
step '71 removexattr /m/d/d security.a'
setfattr -x 'security.a' "$R/m/d/d"
step '72 readdir /m/d ino'
ls -1UA "$R/m/d"
step '73 link /m/b/a /m/d/a'
ln -P -T "$R/m/b/a" "$R/m/d/a"
step '74 truncate /m/d/d 511'
truncate -s 511 "$R/m/d/d"
step '75 chdir /'
cd "$R/"
step '76 umount /m'
umount "$R/m"
step '77 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w ro'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w,ro" overlay "$R/m"
step '78 rmdir /m/b'
rmdir "$R/m/b"
step '79 access /m/d X_OK'
test -x "$R/m/d"
step '80 unlink /m/d/d'
unlink "$R/m/d/d"
step '81 access /m/d R_OK nofollow'
test -r "$R/m/d"
step '82 chmod /m/b/a 0070'
chmod 0070 "$R/m/b/a"
step '83 access /m/d/a W_OK'
test -w "$R/m/d/a"
step '84 truncate /m/b/c 5'
truncate -s 5 "$R/m/b/c"
step '85 stat /m/d/c'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/d/c"
step '86 removexattr /m/b/c user.b'
setfattr -x 'user.b' "$R/m/b/c"
step '87 rmdir /m/b'
rmdir "$R/m/b"
step '88 link /m/e/a /m/a'
ln -P -T "$R/m/e/a" "$R/m/a"
step '89 truncate /m/b/d 10000'
truncate -s 10000 "$R/m/b/d"
step '90 setxattr /m/b/c trusted.a {rand:5:100}'
setfattr -n 'trusted.a' -v "0x$(printf 'Z\303\211\243\014;\003c\3706\227\223M1\227\300G\301k\020\360\323\222;E\271\005\332\302Nn\031\305]\001\252\217'\''\0360D@\007\2600\226oa!\033\314\033\037\344M\374+\357\231\006\023\214\327\202\350\351\351\236:\352+mc\327\231`\207\024{\232\247\306|%%\351URs<\247\005U\212\354\376"\373\212W\204' | od -An -v -tx1 | tr -d ' \n')" "$R/m/b/c"
step '91 rmdir /m/d'
rmdir "$R/m/d"
step '92 rmdir /m/e'
rmdir "$R/m/e"
step '93 unlink /m/e/c'
unlink "$R/m/e/c"
step '94 chmod /m/e/a 2755'
chmod 2755 "$R/m/e/a"
step '95 mkdir /m/b/b mode=0755'
mkdir -m 0755 "$R/m/b/b"
step '96 readdir /m/d'
ls -1UA "$R/m/d"
step '97 stat /m/b/d'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/b/d"
step '98 truncate /m/b/d 5'
truncate -s 5 "$R/m/b/d"
step '99 manifest /u noino'
find "$R/u" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '100 rmdir /m/e'
rmdir "$R/m/e"
step '101 manifest /w noino'
find "$R/w" -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +
step '102 truncate /m/d/c 200K'
truncate -s 204800 "$R/m/d/c"
step '103 unlink /m/a'
unlink "$R/m/a"
step '104 setxattr /m/e/a user.a ""'
setfattr -n 'user.a' -v "0x$(printf '' | od -An -v -tx1 | tr -d ' \n')" "$R/m/e/a"
step '105 setxattr /m/b/c trusted.a w'
setfattr -n 'trusted.a' -v "0x$(printf 'w' | od -An -v -tx1 | tr -d ' \n')" "$R/m/b/c"
step '106 unlink /m/e/a'
unlink "$R/m/e/a"
step '107 link /m/b/d /m/a'
ln -P -T "$R/m/b/d" "$R/m/a"
step '108 chmod /m/d/c 0000'
chmod 0000 "$R/m/d/c"
step '109 cat /m/b/c'
cat "$R/m/b/c"
step '110 unlink /m/a'
unlink "$R/m/a"
step '111 chdir /'
cd "$R/"
step '112 umount /m'
umount "$R/m"
step '113 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w" overlay "$R/m"
step '114 unlink /m/b/c'
unlink "$R/m/b/c"
step '115 link /m/b/b/d /m/d/b'
ln -P -T "$R/m/b/b/d" "$R/m/d/b"
step '116 setxattr /m/b/d user.a "" nofollow'
setfattr -h -n 'user.a' -v "0x$(printf '' | od -An -v -tx1 | tr -d ' \n')" "$R/m/b/d"
step '117 symlink /m/b/b /m/d/d'
ln -s -T "$R/m/b/b" "$R/m/d/d"
step '118 symlink {t*300} /m/b/b/c'
ln -s -T "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt" "$R/m/b/b/c"
step '119 setxattr /m/d/e user.{x*200} ""'
setfattr -n 'user.{x*200}' -v "0x$(printf '' | od -An -v -tx1 | tr -d ' \n')" "$R/m/d/e"
step '120 link /m/b/d /m/b/b/d'
ln -P -T "$R/m/b/d" "$R/m/b/b/d"
step '121 umask 077'
umask 077
step '122 unlink /m/d'
unlink "$R/m/d"
step '123 link /m/d/c /m/a'
ln -P -T "$R/m/d/c" "$R/m/a"
step '124 chmod /m/e 2070'
chmod 2070 "$R/m/e"
step '125 unlink /m/d/a'
unlink "$R/m/d/a"
step '126 chmod /m/a 0600'
chmod 0600 "$R/m/a"
step '127 checkpoint noino'
find "$R" -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +

# what the scenario made
exec 
cd / && umount -R -l "$R" && rmdir "$R"
