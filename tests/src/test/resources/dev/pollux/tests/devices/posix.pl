# What programs expect of a folder, a line for each thing: "ok", or how it went wrong.
use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock :mode :seek);
use Errno;

my ($folder) = @ARGV;
chdir $folder or die "chdir: $!";
umask 022;

sub check {
  my ($name, $code) = @_;
  my $result = eval { $code->() } // '';
  my $why = $@ ? $@ : "$result";
  $why =~ s/\s+$//;
  print $why eq 'ok' ? "ok $name\n" : "NOT ok $name: $why ($!)\n";
}

sub fails {    # with this error
  my ($done, $error) = @_;
  return !$done && $!{$error} ? 'ok' : "done=" . ($done ? 1 : 0) . " instead of $error";
}

sub put {
  my ($name, $text) = @_;
  open(my $f, '>', $name) or die "open $name: $!";
  print {$f} $text or die "write: $!";
  close $f or die "close: $!";
}

sub get {
  my ($name) = @_;
  open(my $f, '<', $name) or die "open $name: $!";
  local $/;
  return scalar <$f>;
}

check 'create', sub { put('a', "hello\n"); get('a') eq "hello\n" ? 'ok' : 'other text' };
check 'exclusive', sub { fails(sysopen(my $f, 'a', O_CREAT | O_EXCL | O_RDWR), 'EEXIST') };
check 'missing', sub { fails(sysopen(my $f, 'nosuch', O_RDONLY), 'ENOENT') };
check 'appending', sub {
  open(my $f, '>>', 'a') or die $!;
  print {$f} "more\n";
  close $f or die $!;
  get('a') eq "hello\nmore\n" ? 'ok' : 'other text';
};
check 'truncate', sub { truncate('a', 3) or die $!; get('a') eq 'hel' ? 'ok' : 'other text' };
check 'extending', sub { truncate('a', 5) or die $!; get('a') eq "hel\0\0" ? 'ok' : 'other text' };
check 'rename', sub {
  rename('a', 'b') or die $!;
  !-e 'a' && -e 'b' ? 'ok' : 'is elsewhere';
};
check 'rename over', sub {
  put('c', 'c');
  rename('b', 'c') or die $!;
  get('c') eq "hel\0\0" ? 'ok' : 'other text';
};
check 'folders', sub {
  mkdir('d') or die $!;
  mkdir('d/e') or die $!;
  put('d/e/f', 'x');
  fails(rmdir('d/e'), 'ENOTEMPTY');
};
check 'mkdir twice', sub { fails(mkdir('d'), 'EEXIST') };
check 'file as a folder', sub { fails(mkdir('c/x'), 'ENOTDIR') };
check 'unlink a folder', sub { fails(unlink('d') > 0, 'EISDIR') };
check 'rename a folder', sub {
  rename('d/e', 'g') or die $!;
  get('g/f') eq 'x' ? 'ok' : 'other text';
};
check 'rename into itself', sub { fails(rename('d', 'd/x'), 'EINVAL') };
check 'listing', sub {
  put("d/$_", $_) for 1 .. 300;
  opendir(my $d, 'd') or die $!;
  my @names = sort { $a <=> $b } grep { !/^\.\.?$/ } readdir $d;
  "@names" eq join(' ', 1 .. 300) ? 'ok' : scalar(@names) . ' names';
};
check 'removal of all', sub {
  unlink("d/$_") or die $! for 1 .. 300;
  rmdir('d') or die $!;
  -e 'd' ? 'still there' : 'ok';
};
check 'unlink an open file', sub {
  sysopen(my $f, 'open', O_CREAT | O_RDWR, 0600) or die $!;
  syswrite($f, 'before') or die $!;
  unlink('open') or die $!;
  return 'still there' if -e 'open';
  syswrite($f, ' after') or die $!;
  sysseek($f, 0, SEEK_SET) or die $!;
  sysread($f, my $text, 100) // die $!;
  my @stat = stat $f or die "stat: $!";
  $text eq 'before after' && $stat[7] == 12 ? 'ok' : "$text $stat[7] bytes";
};
check 'replace an open file', sub {
  put('old', 'old');
  put('new', 'new');
  open(my $f, '<', 'old') or die $!;
  rename('new', 'old') or die $!;
  my $text = <$f>;
  $text eq 'old' && get('old') eq 'new' ? 'ok' : $text;
};
check 'hard link', sub {
  put('one', '1');
  link('one', 'two') or die $!;
  my ($first, $second) = map { [stat $_] } qw(one two);
  $first->[1] == $second->[1] && $first->[3] == 2 ? 'ok' : "inodes $first->[1] $second->[1]";
};
check 'what one link writes the other reads', sub { put('two', '22'); get('one') eq '22' ? 'ok' : 'no' };
check 'unlink one link', sub { unlink('one') or die $!; (stat 'two')[3] == 1 ? 'ok' : 'no' };
check 'symbolic link', sub {
  symlink('two', 'three') or die $!;
  readlink('three') eq 'two' && get('three') eq '22' ? 'ok' : 'no';
};
check 'dangling link', sub {
  symlink('nosuch', 'four') or die $!;
  -l 'four' && fails(sysopen(my $f, 'four', O_RDONLY), 'ENOENT');
};
check 'permissions', sub {
  chmod(0640, 'two') or die $!;
  my $mode = (stat 'two')[2];
  S_IMODE($mode) == 0640 && S_ISREG($mode) ? 'ok' : sprintf('%o', $mode);
};
check 'mask', sub {
  sysopen(my $f, 'masked', O_CREAT | O_RDWR, 0666) or die $!;
  S_IMODE((stat 'masked')[2]) == 0644 ? 'ok' : sprintf('%o', (stat _)[2]);
};
check 'times', sub {
  utime(1000000000, 1234567890, 'two') or die $!;
  my @stat = stat 'two';
  "$stat[8] $stat[9]" eq '1000000000 1234567890' ? 'ok' : "$stat[8] $stat[9]";
};
check 'large file', sub {
  sysopen(my $f, 'large', O_CREAT | O_RDWR) or die $!;
  sysseek($f, 5_000_000_000, SEEK_SET) or die $!;
  syswrite($f, 'far') == 3 or die $!;
  sysseek($f, 4_999_999_998, SEEK_SET) or die $!;
  sysread($f, my $text, 10) // die $!;
  -s 'large' == 5_000_000_003 && $text eq "\0\0far" ? 'ok' : -s _;
};
check 'a megabyte', sub {
  my $text = join '', map { chr(($_ * 7 + ($_ >> 8)) & 255) } 0 .. 1_048_575;
  put('megabyte', $text);
  get('megabyte') eq $text ? 'ok' : 'other text';
};
check 'space', sub { my @s = stat '.'; S_ISDIR($s[2]) ? 'ok' : 'no folder' };
check 'flock', sub {
  open(my $f, '+<', 'two') or die $!;
  open(my $g, '+<', 'two') or die $!;
  flock($f, LOCK_EX) or die $!;
  fails(flock($g, LOCK_EX | LOCK_NB), 'EWOULDBLOCK');
};
check 'fcntl lock', sub {
  open(my $f, '+<', 'two') or die $!;
  my $lock = pack('s s x4 q q l x4', F_WRLCK, SEEK_SET, 0, 0, 0);
  fcntl($f, F_SETLK, $lock) or die $!;
  my $child = fork() // die $!;
  if (!$child) {
    open(my $g, '+<', 'two');
    exit(fcntl($g, F_SETLK, $lock) ? 1 : 0);
  }
  waitpid $child, 0;
  $? == 0 ? 'ok' : 'both have it';
};

# Linux's numbers of system calls: Perl has neither mmap nor extended attributes.
use constant {MMAP => 9, MSYNC => 26, MUNMAP => 11, READ => 0, SETXATTR => 188};
check 'shared mapping', sub {
  sysopen(my $f, 'mapped', O_CREAT | O_RDWR) or die $!;
  syswrite($f, 'x' x 10_000) == 10_000 or die $!;
  my $at = syscall(MMAP, 0, 10_000, 3, 1, fileno($f), 0);
  return "mmap: $!" if $at == -1;
  pipe(my $out, my $in) or die $!;
  syswrite($in, 'mapped text') or die $!;
  syscall(READ, fileno($out), $at + 5_000, 11) == 11 or die "read: $!";
  my $seen = unpack('P11', pack('Q', $at + 5_000));
  syscall(MSYNC, $at, 10_000, 4) == 0 or die "msync: $!";
  sysseek($f, 5_000, SEEK_SET);
  sysread($f, my $text, 11);
  syscall(MUNMAP, $at, 10_000) == 0 or die "munmap: $!";
  "$seen|$text" eq 'mapped text|mapped text' ? 'ok' : "$seen|$text";
};
check 'a program is run from there', sub {
  put('script', "#!/bin/sh\necho \$((6 * 7))\n");
  chmod(0755, 'script') or die $!;
  my $said = `./script`;
  $said eq "42\n" ? 'ok' : "said $said";
};
check 'names', sub {
  my @odd = ("\xc3\xa4\xd0\xb6\xe2\x82\xac", "\xff\xfe raw", 'a b*?', 'n' x 255, "line\nfeed", '...');
  put($_, "in $_") for @odd;
  opendir(my $d, '.') or die $!;
  my %there = map { $_ => 1 } readdir $d;
  my @bad = grep { !$there{$_} || get($_) ne "in $_" } @odd;
  return scalar(@bad) . ' are wrong' if @bad;
  rename($odd[0], "$odd[0]2") or die $!;
  mkdir($odd[0]) or die $!;
  symlink($odd[1], "$odd[0]/link") or die $!;
  readlink("$odd[0]/link") eq $odd[1] ? 'ok' : 'the link has changed';
};
check 'long name', sub { fails(sysopen(my $f, 'n' x 256, O_CREAT | O_RDWR), 'ENAMETOOLONG') };
check 'extended attribute or a refusal', sub {
  my ($file, $name, $value) = ("two\0", "user.test\0", 'value');
  my $done = syscall(SETXATTR, $file, $name, $value, 5, 0) == 0;
  $done ? 'ok' : fails($done, 'EOPNOTSUPP');
};
