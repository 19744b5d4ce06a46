#!/bin/sh
# A hook of mmdebstrap: makes a disk, but for its partition table, of the root file system in $1.
#   $POLLUX_DISK  the raw disk, of its whole size    $POLLUX_ESP, $POLLUX_ROOT  where its partitions begin, in bytes
#   $POLLUX_ROOT_KIB  how large the second one is
set -eu
root=$1
inside() { chroot "$root" "$@"; }

echo debian > "$root/etc/hostname"
printf '127.0.0.1 localhost debian\n::1 localhost\n' > "$root/etc/hosts"
printf 'LABEL=root / ext4 defaults 0 1\nLABEL=ESP /boot/efi vfat umask=0077,nofail 0 2\n' > "$root/etc/fstab"
mkdir -p "$root/boot/efi" "$root/boot/grub"
inside passwd -d root
printf '[Match]\nName=e*\n[Network]\nDHCP=yes\n' > "$root/etc/systemd/network/80-dhcp.network"
rm -f "$root/etc/resolv.conf"
echo 'nameserver 10.0.2.3' > "$root/etc/resolv.conf"
inside systemctl enable systemd-networkd
: > "$root/etc/machine-id"

cat > "$root/boot/grub/grub.cfg" << 'EOF'
serial --unit=0 --speed=115200
terminal_input console serial
set timeout=0
menuentry Debian {
  linux /vmlinuz root=LABEL=root console=tty0 console=ttyS0
  initrd /initrd.img
}
EOF
cat > "$root/tmp/early.cfg" << 'EOF'
search --no-floppy --label root --set root
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
EOF
modules='part_msdos ext2 search search_label configfile normal linux serial terminal echo test reboot halt ls cat'
# shellcheck disable=SC2086
inside grub-mkimage -O i386-pc -p /boot/grub -c /tmp/early.cfg -o /tmp/core.img biosdisk $modules
# shellcheck disable=SC2086
inside grub-mkimage -O x86_64-efi -p /boot/grub -c /tmp/early.cfg -o /tmp/boot.efi fat $modules
inside mkfs.vfat -n ESP -C /tmp/esp.img 16384
inside mmd -i /tmp/esp.img ::/EFI ::/EFI/BOOT
inside mcopy -i /tmp/esp.img /tmp/boot.efi ::/EFI/BOOT/BOOTX64.EFI

place() { dd if="$1" of="$POLLUX_DISK" bs="$2" seek="$3" conv=notrunc status=none; }
head -c 446 "$root/usr/lib/grub/i386-pc/boot.img" > "$root/tmp/boot.sector"
place "$root/tmp/boot.sector" 446 0
place "$root/tmp/core.img" 512 1
place "$root/tmp/esp.img" 65536 $((POLLUX_ESP / 65536))
rm -f "$root"/tmp/*
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
# What mmdebstrap has mounted there is no part of the disk.
tree=$(dirname "$POLLUX_DISK")/tree
mkdir "$tree"
tar -C "$root" --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' --exclude='./run/*' -cf - . | tar -C "$tree" -xpf -
mke2fs -q -F -t ext4 -L root -d "$tree" -E "offset=$POLLUX_ROOT" "$POLLUX_DISK" "${POLLUX_ROOT_KIB}k"
rm -rf "$tree"
