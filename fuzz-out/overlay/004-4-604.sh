#!/bin/sh
# overlay/fuzz/4-604: A race: of 8 runs of this program on host 6 give one answer and 2 others, 6 that of the emulator of 6.18. Seen once, not again when run alone (state from another program, or a race): at step 172, 'lstat /m/c' : host said 'ok reg 0070 1000:5 nlink=5 size=4096 blksize=4096 blocks=8 dev=d2 ino=i5', the emulator of 6.18 'ok reg 0070 1000:5 nlink=5 size=4096 blksize=4096 blocks=8 dev=d1 ino=i2'
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
step '7 mknod /l1/c chr 0600 0 0'
mknod -m 0600 "$R/l1/c" c 0 0
step '8 mknod /l2/c chr 0600 0 0'
mknod -m 0600 "$R/l2/c" c 0 0
step '9 mkdir /l2/d'
mkdir "$R/l2/d"
step '10 mkdir /l3/b'
mkdir "$R/l3/b"
step '11 write /l3/b/a hello'
printf 'hello' >"$R/l3/b/a"
step '12 setxattr /l3/b trusted.b v'
setfattr -n 'trusted.b' -v "0x$(printf 'v' | od -An -v -tx1 | tr -d ' \n')" "$R/l3/b"
step '13 write /l3/d {rand:3:5000} mode=0444'
head -c 5000 /dev/urandom # the scenario's own bytes depend on seed 3 >"$R/l3/d"
step '14 write /l3/c {rand:3:5000} mode=0755'
head -c 5000 /dev/urandom # the scenario's own bytes depend on seed 3 >"$R/l3/c"
step '15 setxattr /l3 user.a v'
setfattr -n 'user.a' -v "0x$(printf 'v' | od -An -v -tx1 | tr -d ' \n')" "$R/l3"
step '16 mkdir /u/e'
mkdir "$R/u/e"
step '17 write /u/e/c {rand:2:4096}'
printf '\316V\227\034\3365X\227B\036\374\013\020F\310\277/S~\335\277\274{\230d\366\347\377z\202\362\303)\373\027?\265F\304O\263\262\307{\263<\274X\206eJ\256{O\362\271\203\345\003\366\256\3234\275\377\314\207X\274x\024@l\370o\3573\012E\2725\346\260\350\230D\350Vw\231\2731\255`\025pa\003\261a\265XH\216\256\361\313\270\016\224\261_\363]\2440'\''\237\227\356\0312\332\036hn\0214\022\347\232\235\340\004<3\324\363n\255\354G>]R]\233i*-\271`\325\226\022\316\252\355\3165\301f\374L\212\315V\014\035c\361\002\232y\004\207\261(\216\215\342\253\211a\226*\270q\322\002\250T\344\007\305\334P\275\213\352R\242\277.\313\264\200\275\216\357\316\345\321\330u\206 \007Q2nV\251\236-\327\314\017\376\036\374\002\202m\235\034\005\322\006M9\306\220\264*\331\374\335U\312\3710$\247z\232\017i\273"\272\312KD$\236\017_%%\203\310W\251\260\037_S\0331\342\323]\320\351t\254MY<\234\331\340\372*`G\321\367\032\206\235\336\275\002G\303\034\027\372\247\357\346\241ib\017\320\360\0349\276\327\025\303\242\024\007\313j~/\214DW7+\207\030W2w\242\032\002\2673N\346\004\274\230\255P\016\032\316\364:\274\326Z0\254\263\3166\252o\341+\250\260Q\030\311\372\240\305\245y|\376\331\331\2369\311"\216\326\335,\323l\246'\''8\206\264\214!\337}\205S-\236x\327\265L\321\231\271i\300\307\334\371\3544QYQ\246\332\214\271E\3479\230\015\233\000\364\326_\206\231\201e\313\277b\207:;\376\273\234\261\010\202\222\230+\030Z8\216\241'\''[\221\2210\264\365\337\375f\210`A\330\244\031C+\273N\012V\336\352\257\345S\351\232\311\276\321\325]\204\244\371\341\350\207\303\350\320yH\277u\204\012S0(A\214\2436u\001\274\363\337\243\030\302\204\235W\242).\302\236\351\230\305\2763"\000\376W-\214H`\002\312\015\335\224g\372\216|v\303\345\320\004<5\374\367\367\037?\221\3508\030\015\001\012\037\303\240\220\233\222d|\20678\011\365 \013\272\350\213\374\315\326\023\373\272\261\335\275mV\352\237J7\015\331\365\205j\256kmV\3164\316;)\012`(\022\371\312\316\015\205\214\234\277\230\346\304\312Y\302\013\357c?D\017\024\320\217q\232\253%%\024\263^\364\026^q(d%%,\214\026!V\340,\023\023I\342\325nl\344\020NHw{\226\003\232\226zm6\217LA\343\362\366s\225\252\035\254\245\024\356\227#>\256\257\237{\302\314\204\244K;[\010\3574]\365;E\322$R\304\252\317*\365\341j\334\330\017\023\266\364^ub\3307\303\344~f\354:`\367\340\373\016\361\343s\2751xy\\\023jU\344\341\217\036+\202/\221\226k\373\024\303l`\370O.2\317"\376g \253\030j\220\345\023\305\213<k\373\206\210\002\352\261\230\333`]-\007\361\355A\032)$\226>\256]C\247\006\201\264c/\3303U\005D\317\353\317N\263\272G\030\011\371\366e`\317\226\243-L\330\253!/\224S\312y^\341\312\215\347J\036\276\013\000\223F\306\223\205C~\304\226\354\227\236\376-B\267s\304\337z\257\311\355\036\007\306O\312\272\002\301c\277\234\012\374\305\202\237\313\340Bs\0051_\245\227\234\336\254\026\351F\370\360\033\325\210\206\310\221\002\304\320\303W\217\301\215X\031\353\325Q[}\357\031\377\0211*\355\342\356 U\024\227\361\002\355x\226\237\015\224\204\012-\222\353\036\301\327@_\362\240\320i\276\345\256t\325\241#\211\346G\002\334[\330\177\341m\356O'\''\313B\003c\217\215\375m^w\225Dc}\231\005j\016\316z\350\363\206hn\363\\u\305\026<k25\331p\257pe\241\305\233\020j\0130(\245\035\275\026O\032\246\250\246^\276\250\354VC\026\212%%\325\372\247\274\216\011\366#w\222Y\006,\332\333m\317\3639y\311H\253\024\220A\026,M\206X\346\251e\206\306\376\275f\321\022\343\213\307\370\200\327k\031C\322\250\342aQ\023Q\362KZ\252\226?\275Y9\305a\214\352\3541r\341\364\016#DO\324=\214\245s\373a\3106\344\340\253\353\252QF\267*\004\362\2222\021\234Uj\327_\221\326\353\313\345\265\3435\260\325B\273\301\032\201\003x\243\024\301\374\266i\266\332\037\251,_\202\001\256+C\030\275\231\224\244=\273U\357\267\351\221:6s\034Q\016B?\327\343\311X\255\360\341\224F\016|\307\224/uAf\270\231*\012\243\233Ol.\264\335\232\234R\251\374\005w\271k\260\335\026y\370z`5\220;\365\262\3213@\031l\246\016\263%%\352\021\032\021@\255f\341`\322w:\000A\221Sb\305\372\217\035\005_\375h\027\035\377\001-k\317\256\2263\244O\263\036\007\216\362\314EJ\004'\''\022\004P$\312s\015\307G\235xk\220X\325Du\335$\377{y8\021g\255\377\361~M\235\250\263c\035\300\\L\260\265\341\020\015L-k\014\364\272\347\200\303\035]H\340\221\262&e\255\260hKhxb\221$\227\256\265\325\337\177k\223\373\260\304\352\324g\273\341O\337I\211\366\323\370\036e\017\310\224\361k\346Y!r\026W\025\333\362\371\212\364\037\347BK\323e\216ZhI/i\256C\241u7\034\013>%%\011\363FP!\332\246p\2607\0038>\214P\227\335\003\005\303BD!\266\015u\300F\343Y\\\257\011\225Wf*P_HJ\\-\306a\251\027\316\366H\212\363\267\326\266\235X\323e1\017\245\345\316A}\2359?f\266\262\233\024\020D\020\001\352\306\202\243|\210\300w\323\303\021\317\262\0101\241\306[\314\016-u"\236~\331e)%%\265\303\245\333\371g1\032\344W\270\205\215a\334\357\020\305+\366+\206\025Q\375\340u\347\011\213\237m\357\023YF\020\313\272\242\355+(b\302\306\364*(j\2672\340?c\004\270#\213ep\000G\304\332\250\001\276\026\370m\251_9k\307\340I\365\015\343\340;\224\340+.\262;\247\3258pG\314J\020\033P\007B\226/\017\345\255\253~L\273n\207<\224E\350\265\224\243\347#\240\316\366\023\266)8\023\244\376^\276b\366\034\371N\310\320\333\357\020\303\005\223\356\362,b\325\207\327\246\034\032n5mJ7\013\357\024Q\302(u\213D\325\220c\253\006h5\221\356\362h)\220\3170\242\\\310X\255\212\272\226z\334\262\264b~\256\362\311\2521A\366w\223\032\274\217\237\232u\033\312\255Q\342\362\337\333z\214u\243Z\232\202"\302\323\001c\307\267\304ba\\\257\217\263\022q[\364\213\231p\300\344\233\3548\204\301\242\372\256\260\245\014\217\007\013\260\001\265\322\025\335\203\337\214\362"\220P\310\354\017\356\343\273\200\266\213\207\373QO5q\331\342\301\226$q,\321hT\261C\261\205\220\233\020&\265\226\3271\233\235\010\251\373Y\214*\325\001\005d3\033b\223\222\211\233\255zCb\314E,\266\223\033\343\347\303\245$\006\222\245S\343\313]+a\2329\303U\245\360_O\010\302\343;+A\357\013(\353\355Ycwy\311\003\247\302\276\301'\''\3354\231E\240=\200\241\202v\014\342\024=a4/\2350\226E\007|A\022\371\0379X\033\027:\346\021\302\020{\021\036&\310\221j\011\342\372\331\200h\231\023aFFs\017\200-O\305\3154\304?\027\0111\375\026\353i\303\027\007\221\245_\011|\357\036\266\006\270\3436\212\232\027\017\227\304\034\205G\276\007'\''\227N\256\303$\\rJ!M\033t\254\343\245\373\356\211C\033>'\''\247\324\243ua\320\274\020\006\241\356S\321\032\027N\362\212t\374\021\245\005\266\224K\267\371\243\214R\311\007^8b|\025\2462\237\352\325d\217\362\312\374\330\036h\244\264h\017/ \230\207\031\353\270F\336\306OD\024I\255\235\011g\014d\370\324:\366Q\210\000H\203opT\314F(L\241F\372\207\344\276\267\020\224c\354\301H\373h. u\213\207\022\333\\Y#\273w}B\237\231\3212Ax \002H\010\340? i\003\343\232WN\345\362{\212\244s\017O7w\356\271\362mM\222(M\256\376\310\322\2152`\371\224\306\034u\0104 \264\233\243\233\310\201\341\242\023\315\325\307V\322\177\240a~#\355V)n\317\311\007\001\011N\267\224=\306\321A'\''|\233\302u|9zy\020\210\023hLn'\''y\362/8\215\210J\311T\317\274N\333\265\345\005\357\377\002\370\200\263\311\323`s}n\373\177\244\012{\237d\241H\244\017i9>\310\301fS\021\364\017{\276\273\247\005\337\300\252;4\375\311\021\005\355\260ur\263dJ\204\363\202\324C?v>\256\21176J1\023\017\007\302\312\313\013\210\210\3738K4\256\350\304\317z\237\201\323L%%Ks\022\210\300-\364\023\364\231"U\235Z\024\367\3307\020\347\211}X3\237\032\364\022\026\352G\316\240?\267\214\370T\014}\216:\321\205|\227\340\2235\211\314\004/\356\252\260\275\227uk\0034\203\211'\''\245>\2031\322\024<\016\266\220\354\021|V\222\034\260-}\307\3712iz\025\203[\247\257\264 =\237*\272\370\034\332\025\212vp\314\370\242\274\011Y\355\300\222i\\\346\315\022l\371)\266\346\2616\373\021\270\032\302Wc\177p'\''C.\210^\276u\304\321q\372\227\217\334\305\271\017$\\\340\333Le\374\256$\037\276B\027-\235\333\315\200\246\266\211V\2122R\354\272I\3702\346\014\213v\231\0260\\\350\216k^:&Y\374JSL\376${\362\330\350Y\273}\034\304\2600\201j\033\251iNJ\342\215\377XM\313\364\237\332\206\036m\354\223\366\233\267\310\025DE\312_\3657\340W\005\362a+\016\327U\033L\306\317m\012\007C\245b/\027\003F@\321\331\271\001B~\203\217D\200\227\012\246\270s\206\034\375Z"\223\200\247\025x\250\213+\274t\256u\017\365\271\243.o\251\210G\333\363/x\376\003\014~\247/\330r\354\005[\177\233\2669\277\013\010\225\211\271\330G\206\025\3309\037\0328=\275\006\302=\232i\210{M+wz'\''\001\317N\233\221\013\377\302\2242\234\012\210\177\020\312\276\271\215\2760\024"\310\326@@\334\023\377\371\015+e\315\007X\016%%\3219\035V\277\370\211\224d\212\324\267\202\220\234\347\266\251:\250[\224\017q\010\356\001\266\277\362m\021Ns\334\305fU\231d"^\344\241\224>!z\265\352\021%%x\223\245\\\013\327\255]X\251>\315U\272)\260\326\303I\361\210\264G\364\217\001j\271/\274Qbi\300\\p\302=K\235\307\330\371\245\314m7\027Xrl\3460\333\236\020\347\367\205\321\253\261\023\327/\305\337\223Z\027\266\232\331\300\254\226\312\236\217e#\346?\353\003\344\210\344\307F*>\300-\375\316ok\307\247\0221~S.\254|\025\304\010aL\313:\374\241\202\\4Z\300\270\0344\347\331q\177$_\0155\006\233\033\265\013\234\033<\376p\301\237\362\304\001,\332\265\333\\k\007\245\236\260O\254i\020\341\254r\344\201\222\273\030/y]Y\337\235\233$\203\004+k1b\374\216\373v\005/\203\355\024q\275x^\221KI%%\252\022'\''Z\371G\012\337\357\373\302\267\010\304\277S\333\374\300\305\004\322\207\010Z\200\376}\257\3246\331\342\264\226\021\304R\013\340+\316\2476\200\177\321N^\326\367\204(\213mU5\372\367\233\022A\326\337U-,\375#I\234g\211\331\032\375\024\021K\213!\\e#O\311\232@I@\352\300\221.5]\257\303\004\337\371\273@\250sd\345\307\004\352\020\177\202\231\372\031\226\026\3636b\324\010\272Q\305\005\355E.\217\271"`'\''\2348\375H\251)\323`\365j\217\300\354\365\365\317(\034W\217z\324\360\227Jcyj.\261\000\272\234\241p\235SKA\214\365c\232\010\271\364\011\272jz\025\275(\355HX\374\013\343^\210R\257O\260(\255\206\337\304\372\266\232\363\326\250\243+\370\255\224\202Vv\360\011n\034E\322\276\237O\315\232\212:\002G\245\010\025\346\345a6\302\225[\334/\244]\006\323`w\237d\337S>\016Rt\313cu\374\236Z&\376\315.\245l\013o\216\303\351\\\025h\274\237\345\337\024\022\321\273\220\207}x\346\302Y[i\027m\200e(\012\256\320\266;\271w\235C\331\332\026z\010\217,\335+8\254$\017*Gc\\k\207%%\177\325\354\347\357z \250[T\207\267\006\200\305\345\321\332\024&\037\027\352\345\001\365a\277\354\375\256{\265\201\3159N5\020I\003N\352\235\260\211\307VC\010\334!\332\030\351\206\340\307\360\323k\013|\014\240\213\271o8\362\207\353;\352\246\360I\363\272\024\344\213\265v\265\255\333\004"\270'\''.\243\346\261\300va\223\267*k\374\271x\010\314\2447\226\023\321\361\375X`3\333\210\337\213\016\310\377\223!;Qm\273\202\372\025\262\257\0164i\014)JE}\006\361\226\235\252\233i\305\3013:\262\246\322\007T\032G\240\230\032\216\236\324A\237A\304\265\252O\215[\233\256t\306\360\372\022\361B\346HZ\312\302\205'\''M\324\335\356w~\246\263\371g$\275l#\245R\217^\014\211\003F;\177\002\335\024\274\234e\031,<'\''\354\301\003\224F\315\351\335w1\033\373<\217M_\342\244-a\373\313>\006\234\212$\354\267\310#\345Kk"\026\302\026\374\300R\306T\241\001\330\300D\265\374\023y\003\320Bd%%w>W+\367&|\267\214\361p\032\316_\345\030K\207\253\222\270I\214l\323\025~5\376\365\370\311\264\310\3268\270\035\026\342[\234\224\242{R\361*q\025\200\224\234k\325\351\364;9\261\342\227w\326\242\311(\274\034\220?\333X\200\033\240\013j\020\237\241d\343\272\202\2454\011\3224D\010\317 hq\271\203\217\304N\273,\203\267\3416|\356q\021\013\357V<\250\034\001\317\014\023\361\344\035\312\355\2317\030\015+\317#tV\223\253\374\341W\033\015\026_&\321Fye\336\033)\271A\230\012U\371Sf\2753\302\252\030\015\307\274\334\230\227k\337lf\222\357>\241\235EE\327?\363\234\373l4\344\257H\357\373\251\320\370h\324\265(N\256\302\012y\344y\353\254\232T\306o\204&dT\036\303\273T\251\240?\273/\005!;$|\3657S\306\313\020z\271jt\310.\021\0013\303\301fKQ\347\365\367\251\177\276\250!\252\314\256>n\336-\242e\000\022i2\254\033\232|\307\341\2326\325\\#\326\266_\352\200+\006O\242w\327+\321\335)ZQ\025\374ne3\326\371&\242zt\200"D\014TX,\230\333\226q\361\007E\354\323'\''\346B\304\260q"\347\007G\0043\342\032v%%\216\014~\013\345\341\3270p\224_\222\350\312\353t\267n\236FS\2070B\376\320\266)u\233\211\002\214\333\314^RS'\''\021\222\002a\243\002@\375\311\227\274,\246\204\034\322\375\330\3725m\242\214\230\016\211\025\317\377\350\226\274H\247' >"$R/u/e/c"
step '18 mkdir /u/d'
mkdir "$R/u/d"
step '19 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w" overlay "$R/m"
step '20 lstat /m'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m"
step '21 cat /m/b/a'
cat "$R/m/b/a"
step '22 chown /m/e/c 1000 0'
chown 1000:0 "$R/m/e/c"
step '23 lchown /m 0 5'
chown -h 0:5 "$R/m"
step '24 chown /m/c -1 5'
chown :5 "$R/m/c"
step '25 link /m/b /m/b/d'
ln -P -T "$R/m/b" "$R/m/b/d"
step '26 chdir /'
cd "$R/"
step '27 umount /m'
umount "$R/m"
step '28 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w redirect_dir=on index=on'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w,redirect_dir=on,index=on" overlay "$R/m"
step '29 link /m/e/c /m/a'
ln -P -T "$R/m/e/c" "$R/m/a"
step '30 mknod /m/b/c sock 0600'
# mknod(1) makes no such node: mknod /m/b/c sock 0600
step '31 removexattr /m/b/a user.a'
setfattr -x 'user.a' "$R/m/b/a"
step '32 cat /m/e/c'
cat "$R/m/e/c"
step '33 lchown /m/a -1 1000'
chown -h :1000 "$R/m/a"
step '34 readlink /m/e/d'
readlink "$R/m/e/d"
step '35 stat /m'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m"
step '36 link /m/b/a /m/d'
ln -P -T "$R/m/b/a" "$R/m/d"
step '37 cat /m/c'
cat "$R/m/c"
step '38 lchown /m/e/c 1001 -1'
chown -h 1001: "$R/m/e/c"
step '39 readlink /m/d/b'
readlink "$R/m/d/b"
step '40 lchown /m/d 0 -1'
chown -h 0: "$R/m/d"
step '41 write closed {zero:4096}'
head -c 4096 /dev/zero >&99
step '42 mknod /m/b reg 0222'
: >"$R/m/b"
step '43 lchown /m/c 1001 0'
chown -h 1001:0 "$R/m/c"
step '44 getxattr /m/b/a security.a 1'
getfattr --absolute-names -n 'security.a' "$R/m/b/a"
step '45 chmod /m/e/c 0755'
chmod 0755 "$R/m/e/c"
step '46 link /m/e/c /m/a'
ln -P -T "$R/m/e/c" "$R/m/a"
step '47 mknod /m/d/b sock 1777'
# mknod(1) makes no such node: mknod /m/d/b sock 1777
step '48 rename /m/d/b /m/b RENAME_NOREPLACE'
mv -n -T "$R/m/d/b" "$R/m/b"
step '49 removexattr /m/d/b user.{x*200}'
setfattr -x 'user.{x*200}' "$R/m/d/b"
step '50 chmod /m/b 2755'
chmod 2755 "$R/m/b"
step '51 mknod /m/e sock 0644'
# mknod(1) makes no such node: mknod /m/e sock 0644
step '52 getxattr /m/b user.a'
getfattr --absolute-names -n 'user.a' "$R/m/b"
step '53 lchown /m/e/c 0 0'
chown -h 0:0 "$R/m/e/c"
step '54 mknod /m/d/d chr 4755 240 3'
mknod -m 4755 "$R/m/d/d" c 240 3
step '55 removexattr /m/d/d user.a nofollow'
setfattr -h -x 'user.a' "$R/m/d/d"
step '56 cat /m/d/c'
cat "$R/m/d/c"
step '57 mknod /m/b chr 0111 240 3'
mknod -m 0111 "$R/m/b" c 240 3
step '58 lchown /m/d/b 1001 1000'
chown -h 1001:1000 "$R/m/d/b"
step '59 lchown /m/b/c 1000 0'
chown -h 1000:0 "$R/m/b/c"
step '60 fallocate closed 0 511 4096'
fallocate -o 511 -l 4096 /proc/self/fd/99
step '61 chmod /m/d 4755'
chmod 4755 "$R/m/d"
step '62 cat /m/b/a'
cat "$R/m/b/a"
step '63 removexattr /m/d/b security.a'
setfattr -x 'security.a' "$R/m/d/b"
step '64 listxattr /m/d'
getfattr --absolute-names -m - "$R/m/d"
step '65 cat /m/b/a'
cat "$R/m/b/a"
step '66 lstat /{abc/*1024}x'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/x"
step '67 link /m/a /m/d/a'
ln -P -T "$R/m/a" "$R/m/d/a"
step '68 removexattr /m/b/a trusted.a'
setfattr -x 'trusted.a' "$R/m/b/a"
step '69 cat /m/b/a'
cat "$R/m/b/a"
step '70 link /m/e/c /m/b follow'
ln -L -T "$R/m/e/c" "$R/m/b"
step '71 link /m/e/c /m/e/d'
ln -P -T "$R/m/e/c" "$R/m/e/d"
step '72 chmod /m/b/c 0640'
chmod 0640 "$R/m/b/c"
step '73 getfl closed'
# no tool makes this call: getfl closed
step '74 lstat /m/e/d'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e/d"
step '75 lchown /m/b/c 1000 5'
chown -h 1000:5 "$R/m/b/c"
step '76 removexattr /m trusted.a'
setfattr -x 'trusted.a' "$R/m"
step '77 link /m/a /m/d'
ln -P -T "$R/m/a" "$R/m/d"
step '78 cat /m/a'
cat "$R/m/a"
step '79 lchown /m/e/c 1000 5'
chown -h 1000:5 "$R/m/e/c"
step '80 cat /m/e/c'
cat "$R/m/e/c"
step '81 getxattr /m/d/d security.a'
getfattr --absolute-names -n 'security.a' "$R/m/d/d"
step '82 getxattr /m/e/c user.b 5'
getfattr --absolute-names -n 'user.b' "$R/m/e/c"
step '83 mknod /m/e/a reg 0600'
: >"$R/m/e/a"
step '84 rename /m/d/d /m/d/a'
mv -T "$R/m/d/d" "$R/m/d/a"
step '85 mknod /m/b blk 0777 240 0'
mknod -m 0777 "$R/m/b" b 240 0
step '86 link /m/e/c /m/c'
ln -P -T "$R/m/e/c" "$R/m/c"
step '87 cat /m/c'
cat "$R/m/c"
step '88 cat /m/c'
cat "$R/m/c"
step '89 readdir /m/e'
ls -1UA "$R/m/e"
step '90 chmod /m/e/c 0070'
chmod 0070 "$R/m/e/c"
step '91 mknod /m/d/d sock 4755'
# mknod(1) makes no such node: mknod /m/d/d sock 4755
step '92 listxattr /m/d 0'
getfattr --absolute-names -m - "$R/m/d"
step '93 listxattr /m/d/d 1'
getfattr --absolute-names -m - "$R/m/d/d"
step '94 mknod /m/b/e chr 0640 1 0'
mknod -m 0640 "$R/m/b/e" c 1 0
step '95 getxattr /m/e/a trusted.b 1'
getfattr --absolute-names -n 'trusted.b' "$R/m/e/a"
step '96 link /m/e /m/c'
ln -P -T "$R/m/e" "$R/m/c"
step '97 mknod /m/d/c chr 4755 1 0'
mknod -m 4755 "$R/m/d/c" c 1 0
step '98 removexattr /m/e user.b'
setfattr -x 'user.b' "$R/m/e"
step '99 listxattr /m/b/e'
getfattr --absolute-names -m - "$R/m/b/e"
step '100 mknod /m/d/b reg 0070'
: >"$R/m/d/b"
step '101 listxattr /m'
getfattr --absolute-names -m - "$R/m"
step '102 mknod /m/d/a blk 0070 0 3'
mknod -m 0070 "$R/m/d/a" b 0 3
step '103 listxattr /m/e/a 0'
getfattr --absolute-names -m - "$R/m/e/a"
step '104 link /m/e/d /m/d/e'
ln -P -T "$R/m/e/d" "$R/m/d/e"
step '105 lstat /m/b/e'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/b/e"
step '106 cat /m/b/a'
cat "$R/m/b/a"
step '107 cat /m/a'
cat "$R/m/a"
step '108 access /m/e R_OK|W_OK effective'
test -w "$R/m/e"
step '109 cat /m/e/a'
cat "$R/m/e/a"
step '110 cat /m/e/d'
cat "$R/m/e/d"
step '111 readdir /m/b'
ls -1UA "$R/m/b"
step '112 listxattr /m/d/d'
getfattr --absolute-names -m - "$R/m/d/d"
step '113 listxattr /m/b'
getfattr --absolute-names -m - "$R/m/b"
step '114 access /m/b/c F_OK'
test -e "$R/m/b/c"
step '115 access /m/e/d R_OK|X_OK'
test -x "$R/m/e/d"
step '116 lchown /m/e 1000 5'
chown -h 1000:5 "$R/m/e"
step '117 fsync closed'
sync /proc/self/fd/99
step '118 getxattr /m/c trusted.a'
getfattr --absolute-names -n 'trusted.a' "$R/m/c"
step '119 cat /m/e/c'
cat "$R/m/e/c"
step '120 chown /m -1 0'
chown :0 "$R/m"
step '121 lchown /m/d/b 1000 0'
chown -h 1000:0 "$R/m/d/b"
step '122 mknod /m/a blk 0222 240 3'
mknod -m 0222 "$R/m/a" b 240 3
step '123 chmod /m/b 0755'
chmod 0755 "$R/m/b"
step '124 link /m/e/d /m/a'
ln -P -T "$R/m/e/d" "$R/m/a"
step '125 cat /m/d/e'
cat "$R/m/d/e"
step '126 cat /m/e/c'
cat "$R/m/e/c"
step '127 readdir /m/e'
ls -1UA "$R/m/e"
step '128 listxattr /m nofollow'
getfattr -h --absolute-names -m - "$R/m"
step '129 rename /m/b /m/d'
mv -T "$R/m/b" "$R/m/d"
step '130 rename /m /m/b'
mv -T "$R/m" "$R/m/b"
step '131 listxattr /m/b/c'
getfattr --absolute-names -m - "$R/m/b/c"
step '132 mknod /m/e/b reg 0444'
: >"$R/m/e/b"
step '133 cat /m/c'
cat "$R/m/c"
step '134 access /m/c R_OK|X_OK'
test -x "$R/m/c"
step '135 chmod /m/e/b 2755'
chmod 2755 "$R/m/e/b"
step '136 link /m/b/e /m/d/c follow'
ln -L -T "$R/m/b/e" "$R/m/d/c"
step '137 readdir /m/b/e ino'
ls -1UA "$R/m/b/e"
step '138 chdir /'
cd "$R/"
step '139 umount /m'
umount "$R/m"
step '140 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w" overlay "$R/m"
step '141 listxattr /m/d/e'
getfattr --absolute-names -m - "$R/m/d/e"
step '142 mknod /m/a reg 2755'
: >"$R/m/a"
step '143 listxattr /m/e/a nofollow'
getfattr -h --absolute-names -m - "$R/m/e/a"
step '144 rename /m /m/b'
mv -T "$R/m" "$R/m/b"
step '145 listxattr /m/b/e nofollow'
getfattr -h --absolute-names -m - "$R/m/b/e"
step '146 cat /{abc/*1024}x'
cat "$R/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/abc/x"
step '147 rename /m/d/e /m/b/d'
mv -T "$R/m/d/e" "$R/m/b/d"
step '148 cat /m/b/a'
cat "$R/m/b/a"
step '149 rename /m/a /m/e/e'
mv -T "$R/m/a" "$R/m/e/e"
step '150 cat /m/c'
cat "$R/m/c"
step '151 mknod /m/a chr 0600 1 0'
mknod -m 0600 "$R/m/a" c 1 0
step '152 link /m/e/d /m/a'
ln -P -T "$R/m/e/d" "$R/m/a"
step '153 cat /m/e/e'
cat "$R/m/e/e"
step '154 chdir /'
cd "$R/"
step '155 umount /m'
umount "$R/m"
step '156 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w redirect_dir=nofollow'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w,redirect_dir=nofollow" overlay "$R/m"
step '157 mknod /m/b blk 0222 0 3'
mknod -m 0222 "$R/m/b" b 0 3
step '158 mknod /m/e chr 0640 0 3'
mknod -m 0640 "$R/m/e" c 0 3
step '159 cat /m/e/e'
cat "$R/m/e/e"
step '160 lstat /m/d'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/d"
step '161 listxattr /m/e/e'
getfattr --absolute-names -m - "$R/m/e/e"
step '162 lchown /m/e 1001 5'
chown -h 1001:5 "$R/m/e"
step '163 lstat /m/e/e'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e/e"
step '164 chdir /'
cd "$R/"
step '165 umount /m'
umount "$R/m"
step '166 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w volatile'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w,volatile" overlay "$R/m"
step '167 getxattr /m/d/d security.a'
getfattr --absolute-names -n 'security.a' "$R/m/d/d"
step '168 readlink /m/b/d'
readlink "$R/m/b/d"
step '169 mknod /m/c blk 0755 240 0'
mknod -m 0755 "$R/m/c" b 240 0
step '170 chmod /m/b 1777'
chmod 1777 "$R/m/b"
step '171 lchown /m/d/c 1000 5'
chown -h 1000:5 "$R/m/d/c"
step '172 lstat /m/c'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/c"
step '173 listxattr /m/b/c'
getfattr --absolute-names -m - "$R/m/b/c"
step '174 listxattr /m/b/c 0'
getfattr --absolute-names -m - "$R/m/b/c"
step '175 chmod . 4755'
chmod 4755 "."
step '176 stat /m/a'
stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/a"
step '177 chmod /m/e/d 0000'
chmod 0000 "$R/m/e/d"
step '178 getxattr /m/d/a user.a'
getfattr --absolute-names -n 'user.a' "$R/m/d/a"
step '179 chmod /m/e/c 0640'
chmod 0640 "$R/m/e/c"
step '180 mknod /m/a sock 2070'
# mknod(1) makes no such node: mknod /m/a sock 2070
step '181 chdir /'
cd "$R/"
step '182 umount /m'
umount "$R/m"
step '183 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w" overlay "$R/m"
step '184 lchown /m/d/b 1000 1000'
chown -h 1000:1000 "$R/m/d/b"
step '185 chmod /m/e/b 1777'
chmod 1777 "$R/m/e/b"
step '186 mknod /m/e chr 2070 1 0'
mknod -m 2070 "$R/m/e" c 1 0
step '187 cat /m/d'
cat "$R/m/d"
step '188 mknod /m/d/e sock 0070'
# mknod(1) makes no such node: mknod /m/d/e sock 0070
step '189 cat /m/e/a'
cat "$R/m/e/a"
step '190 chown /m/e/a 0 0'
chown 0:0 "$R/m/e/a"
step '191 listxattr /m/d/e'
getfattr --absolute-names -m - "$R/m/d/e"
step '192 chmod /m/c 0644'
chmod 0644 "$R/m/c"
step '193 rename /m/b/d /m/e/e'
mv -T "$R/m/b/d" "$R/m/e/e"
step '194 lstat /m/d/d'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/d/d"
step '195 chdir /'
cd "$R/"
step '196 umount /m'
umount "$R/m"
step '197 mount overlay /m lowerdir=/l1:/l2:/l3 upperdir=/u workdir=/w'
mount -t overlay -o "lowerdir=$R/l1:$R/l2:$R/l3,upperdir=$R/u,workdir=$R/w" overlay "$R/m"
step '198 getxattr /m/c user.a 0'
getfattr --absolute-names -n 'user.a' "$R/m/c"
step '199 lstat /m/e/e'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e/e"
step '200 lstat /m/e/b'
stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' "$R/m/e/b"
step '201 listxattr /m/d/d 8'
getfattr --absolute-names -m - "$R/m/d/d"
step '202 link /m/e/a /m/b'
ln -P -T "$R/m/e/a" "$R/m/b"
step '203 cat /m/c'
cat "$R/m/c"
step '204 checkpoint noino'
find "$R" -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +

# what the scenario made
exec 
cd / && umount -R -l "$R" && rmdir "$R"
