package dev.pollux.backend.block.image;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** How compressed clusters are packed: raw deflate, or zstd frames. Any thread. */
enum ClusterCodec {
  ZLIB {
    @Override
    byte[] pack(byte[] cluster) {
      Deflater deflater = new Deflater(Deflater.DEFAULT_COMPRESSION, true);
      try {
        deflater.setInput(cluster);
        deflater.finish();
        byte[] packed = new byte[cluster.length];
        int length = deflater.deflate(packed);
        return deflater.finished() && length < cluster.length
            ? Arrays.copyOf(packed, length)
            : null;
      } finally {
        deflater.end();
      }
    }

    @Override
    byte[] unpack(byte[] packed, int length) throws IOException {
      Inflater inflater = new Inflater(true);
      try {
        inflater.setInput(packed);
        byte[] cluster = new byte[length];
        int done = 0;
        while (done < length) {
          int n = inflater.inflate(cluster, done, length - done);
          if (n == 0 && (inflater.finished() || inflater.needsInput())) {
            throw new IOException("a compressed cluster ends too early");
          }
          done += n;
        }
        return cluster;
      } catch (DataFormatException e) {
        throw new IOException("a compressed cluster is damaged", e);
      } finally {
        inflater.end();
      }
    }
  },

  ZSTD {
    @Override
    byte[] pack(byte[] cluster) {
      byte[] packed = new byte[(int) Zstd.compressBound(cluster.length)];
      long length = Zstd.compress(packed, cluster, Zstd.defaultCompressionLevel());
      return !Zstd.isError(length) && length < cluster.length
          ? Arrays.copyOf(packed, (int) length)
          : null;
    }

    @Override
    byte[] unpack(byte[] packed, int length) throws IOException {
      // What follows the frame in its last sector belongs to other clusters.
      try (var in = new ZstdInputStreamNoFinalizer(new ByteArrayInputStream(packed))) {
        byte[] cluster = new byte[length];
        if (in.readNBytes(cluster, 0, length) < length) {
          throw new IOException("a compressed cluster ends too early");
        }
        return cluster;
      } catch (ZstdException e) {
        throw new IOException("a compressed cluster is damaged", e);
      }
    }
  };

  /** Packs a cluster; null where that gains nothing. */
  abstract byte[] pack(byte[] cluster);

  /**
   * Unpacks a cluster.
   *
   * @param packed begins with it; more may follow
   * @param length bytes of a cluster
   */
  abstract byte[] unpack(byte[] packed, int length) throws IOException;
}
