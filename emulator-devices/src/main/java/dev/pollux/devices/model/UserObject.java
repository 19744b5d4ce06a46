package dev.pollux.devices.model;

import java.util.function.BooleanSupplier;

/** An object that a user made with {@code -object}. Machine lock held. */
public final class UserObject extends TreeNode {
  private final ObjectType declaration;
  private final PropertyValues values;
  private Object target;
  private Runnable release = () -> {};
  private BooleanSupplier kept = () -> false;
  private int users;

  UserObject(ObjectType declaration, PropertyValues values) {
    super(declaration.name());
    this.declaration = declaration;
    this.values = values;
    declaration.properties().forEach(this::expose);
  }

  private <T> void expose(Property<T> property) {
    expose(
        new LiveProperty(
            property.name(),
            property.type(),
            property.description(),
            () -> values.shown(property),
            null));
  }

  public ObjectType declaration() {
    return declaration;
  }

  public <T> T get(Property<T> property) {
    return values.get(property);
  }

  /** What the type's factory made. */
  public Object target() {
    return target;
  }

  void setTarget(Object made) {
    target = made;
  }

  /** One more user: the object stays. */
  public void use() {
    users++;
  }

  /** One user less. */
  public void unuse() {
    users--;
  }

  /** The object stays while this is so, whoever else uses it. For factories. */
  public void keepWhile(BooleanSupplier condition) {
    kept = condition;
  }

  boolean isUsed() {
    return users > 0 || kept.getAsBoolean();
  }

  /** Runs something when the object is removed. For factories. */
  public void onRemove(Runnable action) {
    release = action;
  }

  void release() {
    release.run();
  }
}
