package dev.pollux.core.jit.emit;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.jit.cache.JitBlock;
import org.junit.jupiter.api.Test;

class FlagRecipeTest {
  /** Otherwise it would be moved with a kernel's addresses. */
  @Test
  void noRecipeLooksLikeAnAddress() {
    assertTrue(FlagRecipe.fits(-4096) && FlagRecipe.fits(8191));
    for (int constant = -1 << 14; constant < 1 << 14; constant++) {
      if (FlagRecipe.fits(constant)) {
        int recipe =
            FlagRecipe.of(
                FlagRecipe.Kind.SUB, 8, FlagRecipe.SAVED_A, FlagRecipe.CONSTANT, constant);
        assertFalse(JitBlock.isAddress(recipe), "with " + constant);
        assertTrue(recipe >> 18 == constant, "room for " + constant);
      }
    }
  }
}
