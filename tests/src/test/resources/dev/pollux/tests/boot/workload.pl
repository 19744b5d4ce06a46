# Does many things and prints what comes out: the same on every machine.
my $seed = 12345;
sub rnd { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return ($seed >> 8) % $_[0]; }

# Strings, hashes, sorting.
my %count;
my @words;
for my $i (1 .. 20000) {
  my $word = join '', map { chr(97 + rnd(26)) } 1 .. 1 + rnd(6);
  $count{$word}++;
  push @words, $word;
}
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9];
print "words ", scalar(keys %count), " top ", join(',', map { "$_:$count{$_}" } @top), "\n";
my $text = join ' ', @words;
my $vowels = () = $text =~ /[aeiou]/g;
(my $changed = $text) =~ s/(\w)(\w+)/$2$1/g;
my $runs = () = $changed =~ /\b(\w)\w*\1\b/g;
print "vowels $vowels runs $runs length ", length($changed), " at ", index($changed, 'zq'), "\n";

# Integers: a sieve, a checksum over packed bytes, modular powers.
my $n = 60000;
my $sieve = "\1" x ($n + 1);
for (my $i = 2; $i * $i <= $n; $i++) {
  next unless ord substr $sieve, $i, 1;
  for (my $j = $i * $i; $j <= $n; $j += $i) { substr($sieve, $j, 1) = "\0"; }
}
print "primes ", scalar(grep { ord substr $sieve, $_, 1 } 2 .. $n), "\n";
my ($a, $b) = (1, 0);
for my $byte (unpack 'C*', $text) { $a = ($a + $byte) % 65521; $b = ($b + $a) % 65521; }
printf "adler %08x crc %u\n", $b << 16 | $a, unpack('%32C*', $text);
my $power = 1;
$power = $power * 48271 % 2147483647 for 1 .. 50000;
print "power $power\n";

# Floating point.
my $sum = 0;
$sum += sin($_ / 7) * sqrt($_) / (1 + log($_)) for 1 .. 50000;
printf "sum %.9f\n", $sum;
my $inside = 0;
for my $y (-20 .. 20) {
  for my $x (-40 .. 20) {
    my ($cr, $ci, $zr, $zi, $k) = ($x / 20, $y / 20, 0, 0, 0);
    while ($k++ < 60 && $zr * $zr + $zi * $zi < 4) {
      ($zr, $zi) = ($zr * $zr - $zi * $zi + $cr, 2 * $zr * $zi + $ci);
    }
    $inside += $k;
  }
}
print "mandelbrot $inside\n";
printf "%.3e %g %s %s\n", 1 / 3, 1e100 / 7, 2**53 + 1, 9**99**99;

# The system: files, processes, pipes.
open my $out, '>', "/tmp/workload.$$" or die;
print $out "$_\n" for sort @words;
close $out;
open my $in, '<', "/tmp/workload.$$" or die;
my ($lines, $last) = (0, '');
while (<$in>) { $lines++; $last = $_ if $_ gt $last; }
close $in;
unlink "/tmp/workload.$$";
print "lines $lines last $last";
my $total = 0;
for my $i (1 .. 10) {
  pipe my $reader, my $writer;
  my $pid = fork;
  if (!$pid) { close $reader; print $writer $i * $i; close $writer; kill 9, $$; }
  close $writer;
  $total += <$reader>;
  waitpid $pid, 0;
}
print "processes $total\n";
