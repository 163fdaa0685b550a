#!/bin/sh
# `make e2e-bluez`: the gateway on real BlueZ in a small machine under QEMU. From the project's root.
#   run-vm.sh       builds what is missing, runs; exit code 0 only when every step held, or with SKIPPED
#   run-vm.sh need  what is missing for it here, in one line; nothing when it can run
set -u
B=build/bluez; HERE=tests/e2e_bluez
NEEDS="qemu-system-x86 mmdebstrap cpio"

need() {
  [ "$(uname -m)" = x86_64 ] || { echo "tried on x86_64 only; this is $(uname -m)"; return; }
  command -v qemu-system-x86_64 >/dev/null && command -v mmdebstrap >/dev/null && command -v cpio >/dev/null || {
    echo "QEMU is missing. On Debian: sudo apt-get install --no-install-recommends $NEEDS"; return; }
  command -v apt-get >/dev/null && grep -q '^ID=debian' /etc/os-release || {
    echo "the machine is made of the Debian that it runs on, and this is no Debian"; return; }
  [ "$(id -u)" = 0 ] || sh $HERE/build-image.sh current >/dev/null || \
    echo "the machine has to be built, as root: sudo sh $HERE/build-image.sh"
}

REASON=$(need)
if [ "${1:-}" = need ]; then echo "$REASON"; exit 0; fi
if [ -n "$REASON" ]; then echo "SKIPPED: $REASON"; exit 0; fi
sh $HERE/build-image.sh || exit 1

# TCG on purpose: a /dev/kvm that is there may hang all the same (nested hosts). ACCEL="-accel kvm -cpu host" is quicker.
timeout "${WITHIN_S:-600}" qemu-system-x86_64 ${ACCEL:--accel tcg,thread=multi,tb-size=512 -cpu max} -M q35 -m 2048 -smp 2 \
  -display none -monitor none -no-reboot -nodefaults -nic none -serial stdio -kernel $B/vmlinuz -initrd $B/initrd.cpio \
  -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on rdinit=/init" \
  -virtfs local,path=.,mount_tag=host,security_model=none,readonly=on,multidevs=remap </dev/null \
  | tr -d '\r' | tee build/e2e-bluez.log | sed '/^GUEST_RC=0$/,$d'
grep -q '^GUEST_RC=0$' build/e2e-bluez.log || { echo "NOT good. What was said stands in build/e2e-bluez.log"; exit 1; }
echo "Good. The logs stand in build/e2e-bluez.log"
