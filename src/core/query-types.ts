/**
 * The types of queries.
 *
 * A query of a collection with a document type can name only the fields of that type, and compare them only with values
 * of their type. `any`, `unknown` and types without fields allow every name.
 */

/** A JSON value that is neither a list nor an object. */
export type Scalar = string | number | boolean | null;

/**
 * A plain value means equality. Several operators on one field must all hold. `null` matches a field that is null or
 * missing.
 */
export type Condition<V extends Scalar = Scalar> =
  | V
  | null
  | {
      readonly $eq?: V | null;
      readonly $ne?: V | null;
      readonly $gt?: Extract<V, string | number>;
      readonly $gte?: Extract<V, string | number>;
      readonly $lt?: Extract<V, string | number>;
      readonly $lte?: Extract<V, string | number>;
      readonly $in?: readonly (V | null)[];
      /**
       * `%` stands for any text, `_` for one character. A-Z match in either case, as in SQL LIKE. A backslash makes the
       * `%`, `_` or backslash after it literal.
       */
      readonly $like?: Extract<V, string> extends never ? never : string;
    };

/** All fields and operators must hold. */
// biome-ignore lint/suspicious/noExplicitAny: documents may have any type.
export type Where<T = any> = (HasFields<T> extends true ? TypedFields<T> : AnyFields) & {
  readonly $and?: readonly Where<T>[];
  readonly $or?: readonly Where<T>[];
  readonly $not?: Where<T>;
};

/** Which documents to find, in which order, and how many of them. */
// biome-ignore lint/suspicious/noExplicitAny: documents may have any type.
export interface Query<T = any> {
  readonly where?: Where<T> | undefined;
  /** Fields in order of importance. Documents that are equal in all of them are ordered by key. */
  readonly orderBy?: readonly OrderBy<T>[] | undefined;
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
}

/** A field by its path, ascending. A leading `-` or the object form makes it descending. */
// biome-ignore lint/suspicious/noExplicitAny: documents may have any type.
export type OrderBy<T = any> =
  | FieldPath<T>
  | `-${FieldPath<T>}`
  | { readonly field: FieldPath<T>; readonly descending?: boolean | undefined };

/**
 * A field of a document by its path: `address.city`. A backslash makes a `.`, `[`, `]`, `\` or a leading `$` or `-`
 * part of a name; paths with a backslash are checked at run time. A field called "key" is `\key`.
 */
export type FieldPath<T> = HasFields<T> extends true ? PathIn<T, Depth> | EscapedPath : string;

type EscapedPath = `${string}\\${string}`;

interface AnyFields {
  readonly [field: string]: Condition | readonly Where[] | Where | undefined;
}

type TypedFields<T> = {
  readonly [Path in PathIn<T, Depth>]?: Condition<Extract<ValueAt<T, Path>, Scalar>>;
} & { readonly [path: EscapedPath]: Condition };

/** Whether the fields of T are known. They are not for `any`, `unknown`, scalars, lists, `object` and `{}`. */
type HasFields<T> = 0 extends 1 & T ? false : unknown extends T ? false : [FieldsOf<T>] extends [never] ? false : true;

/** Names of fields; for a union, those of all its members. */
type FieldsOf<T> = T extends Leaf ? never : keyof T & (string | number);

/** Types that no path leads into. */
type Leaf = Scalar | undefined | readonly unknown[] | Date | ((...args: never[]) => unknown);

/** How many levels of a path are checked: types may contain themselves. */
type Depth = [1, 1, 1, 1, 1];

type PathIn<T, Left extends readonly unknown[]> = T extends Leaf
  ? never
  : { [Field in keyof T & (string | number)]: PathThrough<T[Field], Named<`${Field}`>, Left> }[keyof T &
      (string | number)];

type PathThrough<V, Name extends string, Left extends readonly unknown[]> =
  | Name
  | (Left extends readonly [unknown, ...infer Rest]
      ? 0 extends 1 & V
        ? `${Name}.${string}`
        : unknown extends V
          ? `${Name}.${string}`
          : `${Name}.${PathIn<V, Rest>}`
      : `${Name}.${string}`);

/** Names that a path would read differently must be written with a backslash. */
type Named<Name extends string> = Name extends `${string}${'.' | '[' | ']' | '\\'}${string}` | `$${string}` | 'key'
  ? never
  : Name;

/** The type of the value at a path; for a union, that of every member that has the path. */
type ValueAt<T, Path extends string> = 0 extends 1 & T
  ? Scalar
  : unknown extends T
    ? Scalar
    : T extends Leaf
      ? never
      : Path extends keyof T
        ? Known<T[Path]>
        : Path extends `${infer Field extends number}`
          ? Field extends keyof T
            ? Known<T[Field]>
            : never
          : Path extends `${infer Field}.${infer Rest}`
            ? Field extends keyof T
              ? ValueAt<T[Field], Rest>
              : Field extends `${infer Index extends number}`
                ? Index extends keyof T
                  ? ValueAt<T[Index], Rest>
                  : never
                : never
            : never;

/** A value of unknown type may be any scalar. */
type Known<V> = unknown extends V ? Scalar : V;
