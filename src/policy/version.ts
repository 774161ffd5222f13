/** Version of the rules by which policies are read and decided; stands in every decision, goes up when the same policy
 *  and facts may lead to another decision. */
export const ENGINE_VERSION = '1';
