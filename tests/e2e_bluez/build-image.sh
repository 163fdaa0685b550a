#!/bin/sh
# Builds the small machine of `make e2e-bluez` in build/bluez: vmlinuz, and initrd.cpio with Debian, BlueZ and the
# locked Python packages of .venv. As root, from the project's root. Does nothing when what is there is current.
#   build-image.sh current  says only whether it is (exit code 0 or 1)
set -eu
B=build/bluez; HERE=tests/e2e_bluez; PY=.venv/bin/python
. /etc/os-release # the guest is the same Debian as this machine, so that compiled Python packages fit
# 6.12 is the kernel of Raspberry Pi OS. Debian's 6.1.192 breaks (hci_chan_del, list_del corruption, bluetoothd is gone)
# when a device refuses a bond.
kernel() { apt-cache depends "$1" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1; }
KERNEL=$(kernel linux-image-6.12-amd64); KERNEL=${KERNEL:-$(kernel linux-image-amd64)}
[ -n "$KERNEL" ] || { echo "apt knows no kernel: sudo apt-get update"; exit 1; }
KEY=$( (echo "$VERSION_CODENAME $KERNEL"; $PY -V; cat requirements/all.lock $HERE/build-image.sh $HERE/guest_packages.py \
  $HERE/init) | sha256sum | cut -c1-32)
if [ "$(cat $B/key 2>/dev/null)" = "$KEY" ]; then exit 0; fi
[ "${1:-}" != current ] || exit 1
[ "$(id -u)" = 0 ] || { echo "Only root can build the machine: sudo sh $HERE/build-image.sh"; exit 1; }

echo "Building the machine (Debian $VERSION_CODENAME, $KERNEL): one to four minutes, kept in $B"
rm -rf $B; mkdir -p $B/kernel
R=$B/rootfs; VERSION=${KERNEL#linux-image-}
(cd $B && apt-get download -qq -o APT::Sandbox::User=root "$KERNEL" && dpkg-deb -x "$KERNEL"_*.deb kernel)
mmdebstrap --quiet --variant=minbase --include=bluez,dbus,python3,kmod,iproute2 \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' "$VERSION_CODENAME" $R
rm -rf $R/var/cache/apt $R/var/lib/apt/lists

FROM=$B/kernel/lib/modules/$VERSION; TO=$R/usr/lib/modules/$VERSION; mkdir -p "$TO"
cp "$FROM/modules.order" "$FROM/modules.builtin" "$FROM/modules.builtin.modinfo" "$TO/"
for part in net/bluetooth net/9p net/rfkill net/6lowpan fs/9p fs/netfs fs/fscache crypto lib arch/x86/crypto \
    drivers/bluetooth drivers/virtio drivers/hid drivers/input drivers/char/hw_random; do
  [ ! -d "$FROM/kernel/$part" ] || { mkdir -p "$TO/kernel/$part"; cp -r "$FROM/kernel/$part/." "$TO/kernel/$part/"; }
done
chroot $R depmod "$VERSION"

minor() { "$@" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
GUEST=$(minor chroot $R python3)
[ "$(minor $PY)" = "$GUEST" ] || { echo "Debian $VERSION_CODENAME has Python $GUEST, .venv has another: make clean, then make setup PYTHON=python$GUEST"; exit 1; }
$PY $HERE/guest_packages.py "$R/usr/local/lib/python$GUEST/dist-packages"

chroot $R useradd --system --groups bluetooth meethub # as on a hub: no root, only the group that may ask BlueZ
install -m 755 $HERE/init $R/init
(cd $R && find . | cpio -o -H newc -R 0:0 --quiet) > $B/initrd.cpio # not compressed: emulated, that costs 14 s
cp "$B/kernel/boot/vmlinuz-$VERSION" $B/vmlinuz
rm -rf $R $B/kernel $B/*.deb
echo "$KEY" > $B/key
chown --reference=. build; chown -R --reference=. $B # whoever owns the project runs it, and cleans up
